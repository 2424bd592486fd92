// What the compiler calls by itself: block copies, the traps behind deletion and pure virtuals.
//
// Copies use the string instructions: with ERMS they are the fastest and the shortest form.
#include <__verbose_abort>
#include <new>

#include "base/annotations.hpp"
#include "base/bug.hpp"
#include "base/types.hpp"

extern "C" {

AUK_NO_KASAN void* memcpy(void* __restrict dst, const void* __restrict src, auk::usize n) {
  void* d = dst;
  asm volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n)::"memory");
  return dst;
}

AUK_NO_KASAN void* memset(void* dst, int c, auk::usize n) {
  void* d = dst;
  asm volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
  return dst;
}

AUK_NO_KASAN void* memmove(void* dst, const void* src, auk::usize n) {
  if (reinterpret_cast<auk::uptr>(dst) - reinterpret_cast<auk::uptr>(src) >= n)
    return memcpy(dst, src, n);
  auto* d = static_cast<char*>(dst) + n - 1;
  const auto* s = static_cast<const char*>(src) + n - 1;
  asm volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n)::"memory");
  return dst;
}

AUK_NO_KASAN int memcmp(const void* a, const void* b, auk::usize n) {
  const auto* x = static_cast<const unsigned char*>(a);
  const auto* y = static_cast<const unsigned char*>(b);
  for (; n > 0; --n, ++x, ++y)
    if (*x != *y) return *x < *y ? -1 : 1;
  return 0;
}

AUK_NO_KASAN int bcmp(const void* a, const void* b, auk::usize n) { return memcmp(a, b, n); }

AUK_NO_KASAN auk::usize strlen(const char* s) {
  auk::usize n = 0;
  while (s[n] != 0) ++n;
  return n;
}

AUK_NO_KASAN void* memchr(const void* s, int c, auk::usize n) {
  const auto* p = static_cast<const unsigned char*>(s);
  for (; n > 0; --n, ++p)
    if (*p == static_cast<unsigned char>(c))
      return const_cast<unsigned char*>(p);  // NOLINT(*-const-cast): the C signature
  return nullptr;
}

[[noreturn]] void __cxa_pure_virtual() { UNREACHABLE("pure virtual call"); }

}  // extern "C"

// libc++'s way out where a hosted library throws; its message would name the library's own line, so
// the trap's address, which names the caller, says more.
namespace std::inline __1 {
[[noreturn]] void __libcpp_verbose_abort(const char*, ...) { __builtin_trap(); }
}  // namespace std::inline __1

// Deletion goes through Box and Ref; these exist only because virtual destructors name them.
void operator delete(void*) noexcept { UNREACHABLE("operator delete"); }
void operator delete(void*, auk::usize) noexcept { UNREACHABLE("operator delete"); }
void operator delete(void*, auk::usize, std::align_val_t) noexcept {
  UNREACHABLE("operator delete");
}
