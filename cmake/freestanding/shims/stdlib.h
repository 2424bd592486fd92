// Declarations libc++ names; none is defined in the kernel, so a use fails to link.
#pragma once
#include <stddef.h>
struct div_t { int quot, rem; };
struct ldiv_t { long quot, rem; };
struct lldiv_t { long long quot, rem; };
extern "C" {
[[noreturn]] void abort() noexcept;
[[noreturn]] void exit(int) noexcept;
[[noreturn]] void _Exit(int) noexcept;
[[noreturn]] void quick_exit(int) noexcept;
int atexit(void (*)()) noexcept;
int at_quick_exit(void (*)()) noexcept;
void* malloc(size_t) noexcept;
void* calloc(size_t, size_t) noexcept;
void* realloc(void*, size_t) noexcept;
void* aligned_alloc(size_t, size_t) noexcept;
void free(void*) noexcept;
int abs(int) noexcept;
long labs(long) noexcept;
long long llabs(long long) noexcept;
div_t div(int, int) noexcept;
ldiv_t ldiv(long, long) noexcept;
lldiv_t lldiv(long long, long long) noexcept;
char* getenv(const char*) noexcept;
int system(const char*) noexcept;
void* bsearch(const void*, const void*, size_t, size_t, int (*)(const void*, const void*)) noexcept;
void qsort(void*, size_t, size_t, int (*)(const void*, const void*)) noexcept;
int rand() noexcept;
void srand(unsigned) noexcept;
int atoi(const char*) noexcept;
long atol(const char*) noexcept;
long long atoll(const char*) noexcept;
double atof(const char*) noexcept;
float strtof(const char*, char**) noexcept;
double strtod(const char*, char**) noexcept;
long double strtold(const char*, char**) noexcept;
long strtol(const char*, char**, int) noexcept;
long long strtoll(const char*, char**, int) noexcept;
unsigned long strtoul(const char*, char**, int) noexcept;
unsigned long long strtoull(const char*, char**, int) noexcept;
int mblen(const char*, size_t) noexcept;
int mbtowc(wchar_t*, const char*, size_t) noexcept;
int wctomb(char*, wchar_t) noexcept;
size_t mbstowcs(wchar_t*, const char*, size_t) noexcept;
size_t wcstombs(char*, const wchar_t*, size_t) noexcept;
}
#define MB_CUR_MAX 1
