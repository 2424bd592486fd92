#include "proc/exec.hpp"

#include <algorithm>
#include <cstring>

#include "base/annotations.hpp"
#include "base/math.hpp"
#include "core/log.hpp"
#include "core/panic.hpp"
#include "core/param.hpp"
#include "core/sysctl.hpp"
#include "generated/uapi/elf.hpp"
#include "generated/uapi/personality.hpp"
#include "mem/failure.hpp"
#include "mem/vmalloc.hpp"
#include "proc/clone.hpp"
#include "proc/exec/elf.hpp"
#include "proc/exec/privileges.hpp"
#include "proc/exec/script.hpp"
#include "proc/exit.hpp"
#include "proc/futex.hpp"
#include "proc/isa/hardware.hpp"
#include "proc/usage.hpp"
#include "proc/vdso.hpp"
#include "random/random.hpp"
#include "vfs/operations.hpp"

namespace auk::proc {
namespace {

using vm::AddressSpace;
using vm::MapRequest;
using vm::VmaFlag;
using vm::VmaFlags;

constexpr u32 max_script_depth = 5;
constexpr u64 dynamic_base = core::user_end / 3 * 2;
constexpr usize max_argument = 32 * page_size;

/// 0: nothing is at a random place; 1: all but the heap; 2: all.
constinit Atomic<i64> randomness{2};
constinit core::NumberSysctl randomize_va_space("kernel/randomize_va_space", randomness, 0, 2);
SYSCTL(randomize_va_space);
bool set_no_random_places(std::string_view) {
  randomness.store_relaxed(0);
  return true;
}
PARAM("norandmaps", set_no_random_places);

u64 random_below(u64 limit) {
  const bool fixed = (current().next_personality & u32{uapi::addr_no_randomize}) != 0;
  return randomness.load_relaxed() != 0 && !fixed ? random::next_u64() % limit : 0;
}
u64 random_pages(unsigned bits) { return random_below(u64{1} << bits) * page_size; }

Result<void> read_exactly(io::File& f, void* to, usize size, u64 offset) {
  io::IoBuf buf(std::span(static_cast<byte*>(to), size));
  const usize n = TRY(f.read_at(buf, offset));
  return n == size ? Result<void>() : Errno::enoexec;
}

/// The headers of one ELF file.
struct Image {
  Ref<io::File> file;
  elf::Header header;
  elf::Segment* segments = nullptr;  ///< owned
  usize count = 0;

  Image() = default;
  ~Image() { mem::free(segments); }
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;
  std::span<const elf::Segment> all() const { return {segments, count}; }
};

Result<void> read_image(Image& image) {
  std::array<byte, sizeof(elf::Header)> start{};
  TRY(read_exactly(*image.file, start.data(), start.size(), 0));
  image.header = TRY(elf::parse_header(start, hardware::elf_machine));
  const usize size = image.header.e_phnum * sizeof(elf::Segment);
  image.segments = static_cast<elf::Segment*>(TRY(mem::allocate(ALLOC_SITE, size)));
  image.count = image.header.e_phnum;
  return read_exactly(*image.file, image.segments, size, image.header.e_phoff);
}

/// Where an image came to lie.
struct Loaded {
  u64 bias = 0;
  UserAddr entry, headers, lowest{~u64{0}}, highest;
  UserAddr code_start{~u64{0}}, code_end, data_start, data_end;
};

VmaFlags rights_of(u32 p) {
  VmaFlags f;
  if ((p & uapi::pf_r) != 0) f |= VmaFlag::read;
  if ((p & uapi::pf_w) != 0) f |= VmaFlag::write;
  if ((p & uapi::pf_x) != 0) f |= VmaFlag::execute;
  return f;
}

Result<void> map_segment(AddressSpace& space, Image& image, const elf::Segment& s, u64 bias) {
  const elf::Placement p = TRY(elf::place(s));
  const UserAddr start(bias + p.start);
  if (!core::is_user_range(start, p.in_memory)) return Errno::enoexec;
  const VmaFlags rights = rights_of(s.p_flags);
  if (p.in_file > 0) {
    MapRequest r;
    r.hint = start;
    r.size = p.in_file;
    r.flags = rights;
    r.fixed = true;
    r.object = TRY(image.file->map_object());
    r.backing = Ref<vm::Backing>(*image.file);
    r.page_offset = p.file_page;
    TRY(space.map(std::move(r)));
  }
  if (p.in_memory > p.in_file) {
    MapRequest r;
    r.hint = start + p.in_file;
    r.size = p.in_memory - p.in_file;
    r.flags = rights;
    r.fixed = true;
    TRY(space.map(std::move(r)));
  }
  return {};
}

/// `base`: where a position-independent image goes; 0 lets the space choose.
Result<void> map_image(AddressSpace& space, Image& image, u64 base, Loaded& out) {
  const elf::Extent extent = TRY(elf::extent_of(image.all()));
  u64 bias = 0;
  if (elf::is_position_independent(image.header)) {
    if (base == 0) {
      // The whole extent at once finds the place; the segments then cover it.
      MapRequest r;
      r.size = extent.size();
      const UserAddr at = TRY(space.map(std::move(r)));
      TRY(space.unmap(at, extent.size()));
      base = at.value;
    }
    bias = align_down(base, extent.alignment) - extent.low;
  }
  out.bias = bias;
  for (const elf::Segment& s : image.all()) {
    if (s.p_type != uapi::pt_load) continue;
    TRY(map_segment(space, image, s, bias));
    const UserAddr start(bias + s.p_vaddr);
    if ((s.p_flags & uapi::pf_x) != 0) {
      out.code_start = std::min(out.code_start, start);
      out.code_end = std::max(out.code_end, start + s.p_filesz);
    }
    if (start >= out.data_start) {
      out.data_start = start;
      out.data_end = start + s.p_filesz;
    }
  }
  if (const auto headers = elf::headers_address(image.header, image.all()))
    out.headers = UserAddr(bias + *headers);
  out.entry = UserAddr(bias + image.header.e_entry);
  out.lowest = UserAddr(bias + extent.low);
  out.highest = UserAddr(bias + extent.high);
  return {};
}

/// The bytes of a segment's last page behind the file's are zero: now that the space is loaded.
Result<void> clear_tails(const Image& image, u64 bias) {
  for (const elf::Segment& s : image.all()) {
    const u64 tail = s.p_type == uapi::pt_load ? elf::tail_of(s) : 0;
    if (tail == 0) continue;
    const UserAddr end(bias + tail);
    TRY(core::clear_user(end, align_up(end.value, page_size) - end.value));
  }
  return {};
}

/// What the stack of a fresh program holds, written from the top down.
class StackWriter {
  UserAddr at_;

 public:
  explicit StackWriter(UserAddr top) : at_(top) {}
  UserAddr here() const { return at_; }
  void skip(u64 size) { at_ -= size; }
  void align(u64 a) { at_ = UserAddr(align_down(at_.value, a)); }
  Result<UserAddr> push(const void* bytes, usize size) {
    at_ -= size;
    TRY(core::write_user(at_, bytes, size));
    return at_;
  }
};

/// A space with the program in it, that nobody uses yet.
struct Prepared {
  mem::Box<Image> interpreter;
  Ref<AddressSpace> space;
  Loaded program, loader;
  UserAddr stack_top;
  UserAddr vdso;
};

struct Aux {
  u64 key, value;
};

/// Strings, auxiliary vector, environment, arguments: System V ABI for x86-64, figure 3.9.
Result<UserAddr> write_stack(Task& me, const Prepared& p, const ArgumentBlock& block,
                             const Image& image, std::string_view path, bool secure) {
  const Loaded& program = p.program;
  StackWriter w(p.stack_top);
  const u64 nothing = 0;
  TRY(w.push(&nothing, sizeof(nothing)));
  const UserAddr name = (TRY(w.push("", 1)), TRY(w.push(path.data(), path.size())));
  const auto strings = block.bytes();
  const UserAddr text = TRY(w.push(strings.data(), strings.size()));
  const std::array<u64, 2> seed{random::next_u64(), random::next_u64()};
  // Also within the page: Linux's arch_align_stack().
  constexpr u64 most_skipped = 8192;
  w.skip(random_below(most_skipped));
  w.align(16);
  const UserAddr random_at = TRY(w.push(seed.data(), sizeof(seed)));
  const UserAddr platform = TRY(w.push(hardware::platform.data(), hardware::platform.size() + 1));
  const ident::Cred& c = me.cred();
  const std::array<Aux, 22> aux{{
      {uapi::at_sysinfo_ehdr, p.vdso.value},
      {uapi::at_minsigstksz, hardware::signal_frame_size()},
      {uapi::at_hwcap, hardware::capabilities()},
      {uapi::at_pagesz, page_size},
      {uapi::at_clktck, 100},
      {uapi::at_phdr, program.headers.value},
      {uapi::at_phent, sizeof(elf::Segment)},
      {uapi::at_phnum, image.count},
      {uapi::at_base, p.interpreter ? p.loader.bias : u64{0}},
      {uapi::at_flags, 0},
      {uapi::at_entry, program.entry.value},
      {uapi::at_uid, c.uid},
      {uapi::at_euid, c.euid},
      {uapi::at_gid, c.gid},
      {uapi::at_egid, c.egid},
      {uapi::at_secure, secure ? u64{1} : u64{0}},
      {uapi::at_random, random_at.value},
      {uapi::at_hwcap2, hardware::capabilities2()},
      {uapi::at_execfn, name.value},
      {uapi::at_platform, platform.value},
      {uapi::at_rseq_feature_size, RseqArea::feature_size},
      {uapi::at_rseq_align, RseqArea::alignment},
  }};
  const Aux end{uapi::at_null, 0};
  const u64 words = 1 + block.arguments + 1 + block.environment + 1;
  const u64 size = words * sizeof(u64) + sizeof(aux) + sizeof(end);
  const UserAddr start(align_down(w.here().value - size, 16));
  UserAddr at = start;
  const auto put = [&](u64 v) -> Result<void> {
    TRY(core::write_user(at, &v, sizeof(v)));
    at += sizeof(v);
    return {};
  };
  vm::SpaceLayout& layout = me.space->layout();
  usize offset = 0;
  const auto put_list = [&](usize count) -> Result<void> {
    for (usize i = 0; i < count; ++i) {
      TRY(put(text.value + offset));
      while (strings[offset] != '\0') ++offset;
      ++offset;
    }
    return put(0);
  };
  TRY(put(block.arguments));
  layout.arguments_start = text;
  TRY(put_list(block.arguments));
  layout.arguments_end = layout.environment_start = text + offset;
  TRY(put_list(block.environment));
  layout.environment_end = text + offset;
  layout.auxiliary_start = at;
  TRY(core::write_user(at, aux.data(), sizeof(aux)));
  at += sizeof(aux);
  TRY(core::write_user(at, &end, sizeof(end)));
  layout.auxiliary_end = at + sizeof(end);
  layout.stack_start = start;
  return start;
}

/// EACCES for what is no regular file, or may not be executed.
Result<Ref<io::File>> open_executable(Task& me, std::string_view path) {
  const vfs::Asker who = me.asker();
  const vfs::Path at = TRY(vfs::find(who, {}, path, vfs::WalkFlag::follow));
  if (!at.inode().is_regular()) return Errno::eacces;
  TRY(vfs::check_access(who.cred, at, vfs::Want::execute));
  return vfs::open_path(who, at, vfs::open_flag::execute, true);
}

AUK_NOINLINE Result<void> prepare_program(Task& me, Image& image, const ArgumentBlock& block,
                                          Prepared& out) {
  mem::Box<Image>& interpreter = out.interpreter;
  if (const elf::Segment* const s = elf::interpreter_of(image.all())) {
    if (s->p_filesz > elf::max_interpreter) return Errno::enoexec;
    struct Name {
      std::array<char, elf::max_interpreter> text;
    };
    const mem::Box<Name> bytes = TRY(mem::Box<Name>::make(ALLOC_SITE));
    const auto text = std::span(bytes->text).first(s->p_filesz);
    TRY(read_exactly(*image.file, text.data(), text.size(), s->p_offset));
    interpreter = TRY(mem::Box<Image>::make(ALLOC_SITE));
    interpreter->file = TRY(open_executable(me, TRY(elf::interpreter_name(text))));
    const Result<void> read = read_image(*interpreter);
    // A loader that is none is worse than no program: Linux's word for it.
    if (!read.ok()) return read.error() == Errno::enoexec ? Errno::elibbad : read.error();
  }

  out.space = TRY(AddressSpace::create());
  Ref<AddressSpace>& space = out.space;
  vm::SpaceLayout& layout = space->layout();
  constexpr unsigned stack_bits = 22, mmap_bits = 28, brk_bits = 18;
  out.stack_top = UserAddr(core::user_end - random_pages(stack_bits) - page_size);
  const u64 stack_limit = me.group->limit(uapi::rlimit_stack);
  const u64 stack_room =
      std::clamp<u64>(stack_limit, u64{128} * mib, core::user_end / 6 * 5) + (u64{1} << 34);
  layout.mmap_top =
      UserAddr(align_down(core::user_end - stack_room - random_pages(mmap_bits), page_size));
  {
    MapRequest r;
    constexpr u64 initial = 132 * kib;
    r.size = align_up(block.bytes().size(), page_size) + initial;
    r.hint = out.stack_top - r.size;
    r.fixed = true;
    r.flags = VmaFlags(VmaFlag::read) | VmaFlag::write | VmaFlag::grows_down | VmaFlag::stack;
    if (elf::wants_executable_stack(image.all())) r.flags |= VmaFlag::execute;
    TRY(space->map(std::move(r)));
  }
  Loaded& program = out.program;
  const u64 base = dynamic_base + random_pages(mmap_bits);
  // A static position-independent program without an interpreter goes where libraries go.
  TRY(map_image(*space, image, base, program));
  Loaded& loader = out.loader;
  if (interpreter) TRY(map_image(*space, *interpreter, 0, loader));
  out.vdso = TRY(map_vdso(*space));
  if (me.space) space->no_huge_pages.store_relaxed(me.space->no_huge_pages.load_relaxed());
  space->set_program(Ref<vm::Backing>(Ref<io::File>(image.file)));
  layout.code_start = program.code_start;
  layout.code_end = program.code_end;
  layout.data_start = program.data_start;
  layout.data_end = program.data_end;
  layout.brk_start = layout.brk =
      UserAddr(align_up(program.highest.value, page_size) +
               (randomness.load_relaxed() > 1 ? random_pages(brk_bits) : 0));
  return {};
}

/// Runs what was prepared: fails only before anything has changed.
AUK_NOINLINE Result<void> become(Task& me, Image& image, Prepared& p, Privileges& privileges,
                                 std::string_view path, const ArgumentBlock& block) {
  // The point of no return.
  TRY(end_other_threads(me));
  leave_futexes(me, false);
  // Credentials before memory: who may look into the thread as it was does not see the program.
  const bool is_dumpable = assume(me, privileges);
  drop_space(me);
  (void)me.set_space(std::move(p.space));
  {
    auto t = tree.lock();
    me.group->has_execed = true;
    me.group->exit_signal = uapi::sigchld;
    ++me.group->execs;
    me.group->is_dumpable = is_dumpable;
  }
  finish_vfork(me);
  if (me.files->ref_count() > 1) {
    Result<Ref<io::FdTable>> own = me.files->copy();
    if (!own.ok()) exit_group(me, uapi::sigkill);
    me.replace(&Task::files, own.take());
  }
  me.files->close_for_exec();
  me.group->timers.remove_all();
  me.group->handlers->reset_caught();
  me.personality = me.next_personality;
  me.alt_stack = {};
  me.rseq = {};
  {
    const core::IrqOff irq_off;
    me.user.set_fs_base(0);
    me.user.set_gs_base(0);
    me.user.selectors = {};
    machine::reload_segments(me.user);
    me.user.is_loaded = false;
    machine::init_vectors(me.user.vectors);
    (void)me.work_bits.fetch_or_relaxed(core::work::registers);
  }
  const usize slash = path.rfind('/');
  me.set_name(slash == std::string_view::npos ? path : path.substr(slash + 1));

  const auto fill = [&]() -> Result<UserAddr> {
    TRY(clear_tails(image, p.program.bias));
    if (p.interpreter) TRY(clear_tails(*p.interpreter, p.loader.bias));
    return write_stack(me, p, block, image, path, privileges.is_secure);
  };
  Result<UserAddr> stack = fill();
  if (!stack.ok()) exit_group(me, uapi::sigsegv);
  const UserAddr entry = p.interpreter ? p.loader.entry : p.program.entry;
  me.registers() = machine::fresh_registers(entry.value, (*stack).value);
  return {};
}

Result<void> load_elf(Task& me, Image& image, std::string_view path, ArgumentBlock& block) {
  Prepared prepared;
  me.next_personality = me.personality & ~u32{uapi::read_implies_exec};
  Privileges privileges = TRY(privileges_for(me, *image.file));
  // Who runs with more rights than its caller is not found where the caller wants it.
  if (privileges.are_more) me.next_personality &= ~u32{uapi::per_clear_on_setid};
  TRY(prepare_program(me, image, block, prepared));
  return become(me, image, prepared, privileges, path, block);
}

}  // namespace

ArgumentBlock::ArgumentBlock(Task& me, std::string_view path) {
  // A quarter of the stack, but Linux's limits of old are always there; the path counts too.
  constexpr u64 most = 6 * mib, least = 128 * kib;
  const u64 quarter = me.group->limit(uapi::rlimit_stack) / 4;
  limit_ = std::max(std::min(quarter, most), least) - (path.size() + 1);
}

void ArgumentBlock::give_back() {
  if (range_ != nullptr)
    mem::unmap(range_);
  else
    mem::free(text_);
}

/// Room for so many bytes at least.
Result<void> ArgumentBlock::grow(usize wanted) {
  constexpr usize most_in_one_piece = 8 * page_size;
  const usize room = align_up(std::max(wanted, 2 * room_), page_size);
  mem::KernelRange* range = nullptr;
  char* text = nullptr;
  if (room <= most_in_one_piece) {
    text = static_cast<char*>(TRY(mem::allocate(ALLOC_SITE, room)));
  } else {
    range = TRY(mem::map_memory(ALLOC_SITE, room / page_size));
    text = range->as<char>();
  }
  std::copy_n(text_, used_, text);
  give_back();
  text_ = text;
  range_ = range;
  room_ = room;
  return {};
}

bool ArgumentBlock::is_too_long(usize more_bytes, usize more_strings) const {
  return used_ + more_bytes + (strings_ + more_strings) * sizeof(u64) > limit_;
}

std::span<const char> ArgumentBlock::bytes() const { return {text_, used_}; }

Result<void> ArgumentBlock::add(std::string_view s) {
  const usize size = s.size() + 1;
  if (is_too_long(size, 1)) return Errno::e2big;
  if (used_ + size > room_) TRY(grow(used_ + size));
  s.copy(text_ + used_, s.size());
  text_[used_ + s.size()] = '\0';
  used_ += size;
  ++strings_;
  return {};
}

Result<void> ArgumentBlock::add_user(core::UserStr s) {
  for (;;) {
    if (used_ == room_) TRY(grow(used_ + 1));
    const usize room = std::min(room_ - used_, max_argument);
    Result<usize> n = s.load({text_ + used_, room});
    if (n.ok()) {
      const usize size = *n + 1;
      if (is_too_long(size, 1)) return Errno::e2big;
      used_ += size;
      ++strings_;
      return {};
    }
    if (n.error() != Errno::enametoolong) return n.error();
    if (room == max_argument || is_too_long(room, 1)) return Errno::e2big;
    TRY(grow(2 * room_));
  }
}

Result<void> ArgumentBlock::replace_first(std::span<const std::string_view> fresh) {
  usize gone = 0;
  if (arguments > 0) {
    while (text_[gone] != '\0') ++gone;
    ++gone;
    --arguments;
    --strings_;
  }
  usize extra = 0;
  for (const std::string_view s : fresh) extra += s.size() + 1;
  used_ -= gone;
  std::memmove(text_, text_ + gone, used_);
  if (is_too_long(extra, fresh.size())) return Errno::e2big;
  if (used_ + extra > room_) TRY(grow(used_ + extra));
  std::memmove(text_ + extra, text_, used_);
  used_ += extra;
  usize at = 0;
  for (const std::string_view s : fresh) {
    s.copy(text_ + at, s.size());
    text_[at + s.size()] = '\0';
    at += s.size() + 1;
    ++arguments;
    ++strings_;
  }
  return {};
}

Result<void> exec(Task& me, Ref<io::File> file, std::string_view path, ArgumentBlock& block) {
  mem::Box<Image> image = TRY(mem::Box<Image>::make(ALLOC_SITE));
  struct Start {
    std::array<char, script::line_max> text{};
  };
  mem::Box<Start> start, before;
  // What was asked for names the program, whoever interprets it.
  std::string_view script_path = path;
  for (u32 depth = 0;; ++depth) {
    // The words of the line before live until the next has been read.
    before = std::exchange(start, TRY(mem::Box<Start>::make(ALLOC_SITE)));
    io::IoBuf buf{std::span(reinterpret_cast<byte*>(start->text.data()), start->text.size())};
    const std::string_view text(start->text.data(), TRY(file->read_at(buf, 0)));
    if (!script::is_script(text)) break;
    if (depth == max_script_depth) return Errno::eloop;
    const script::Line line = TRY(script::parse(text));
    std::array<std::string_view, 3> words{line.interpreter, line.argument, script_path};
    if (line.argument.empty()) {
      words[1] = script_path;
      TRY(block.replace_first(std::span(words).first(2)));
    } else {
      TRY(block.replace_first(words));
    }
    file = TRY(open_executable(me, line.interpreter));
    script_path = line.interpreter;
  }
  image->file = std::move(file);
  TRY(read_image(*image));
  return load_elf(me, *image, path, block);
}

void set_default_limits(Limits& l) {
  const auto set = [&](int which, u64 soft, u64 hard) {
    l[static_cast<usize>(which)] = {soft, hard};
  };
  // Linux's rule: all stacks of kernel threads may take an eighth of the memory.
  constexpr u64 stack_pages = 4;
  const u64 threads = mem::count_pages().managed / (8 * stack_pages);
  most_threads.store_relaxed(static_cast<i64>(threads));
  set(uapi::rlimit_stack, 8 * mib, uapi::rlim_infinity);
  set(uapi::rlimit_core, 0, uapi::rlim_infinity);
  set(uapi::rlimit_nproc, threads / 2, threads / 2);
  set(uapi::rlimit_nofile, 1024, 4096);
  set(uapi::rlimit_memlock, 8 * mib, 8 * mib);
  set(uapi::rlimit_sigpending, threads / 2, threads / 2);
  set(uapi::rlimit_msgqueue, 819200, 819200);
  set(uapi::rlimit_nice, 0, 0);
  set(uapi::rlimit_rtprio, 0, 0);
}

namespace {

Result<void> try_program(Task& me, std::string_view path, const FirstProgram& p) {
  Ref<io::File> file = TRY(open_executable(me, path));
  ArgumentBlock block(me, path);
  TRY(block.add(path));
  block.arguments = 1;
  for (const std::string_view a : p.arguments) {
    TRY(block.add(a));
    ++block.arguments;
  }
  for (const std::string_view e : p.environment) {
    TRY(block.add(e));
    ++block.environment;
  }
  return exec(me, std::move(file), path, block);
}

}  // namespace

void exec_first_program(Task& me) {
  const mem::Box<FirstProgram> p =
      mem::Box<FirstProgram>::adopt(std::exchange(me.first_program, nullptr));
  // Linux opens the console for the first program; without one it runs with no descriptors.
  const vfs::Asker who = me.asker();
  Result<Ref<io::File>> console = vfs::open(who, {}, "/dev/console", 2, 0);
  if (console.ok()) {
    const Ref<io::File> f = console.take();
    for (int fd = 0; fd < 3; ++fd) (void)me.files->replace(fd, f, false);
  } else {
    core::log_warn("Warning: unable to open an initial console.");
  }
  const auto is_there = [&](std::string_view path) {
    return !path.empty() && vfs::find(who, {}, path, vfs::WalkFlag::follow).ok();
  };
  if (is_there(p->ramdisk_path)) {
    core::log_info("Run {} as init process", p->ramdisk_path);
    const Result<void> r = try_program(me, p->ramdisk_path, *p);
    if (r.ok()) return mem::arm_failures();
    core::log_err("Failed to execute {} (error -{})", p->ramdisk_path, static_cast<int>(r.error()));
  }
  if (!p->path.empty()) {
    core::log_info("Run {} as init process", p->path);
    const Result<void> r = try_program(me, p->path, *p);
    if (r.ok()) return mem::arm_failures();
    core::panic("Requested init {} failed (error -{}).", p->path, static_cast<int>(r.error()));
  }
  for (const std::string_view path : {"/sbin/init", "/etc/init", "/bin/init", "/bin/sh"}) {
    core::log_info("Run {} as init process", path);
    const Result<void> r = try_program(me, path, *p);
    if (r.ok()) return mem::arm_failures();
    if (r.error() != Errno::enoent)
      core::log_err("Starting init: {} exists but couldn't execute it (error -{})", path,
                    static_cast<int>(r.error()));
  }
  core::panic("No working init found.  Try passing init= option to kernel. See Linux "
              "Documentation/admin-guide/init.rst for guidance.");
}

}  // namespace auk::proc
