#include "machine/isa/desc.hpp"

namespace auk::machine {

void load_cpu_tables(CpuTables& t, u32 cpu) {
  constexpr u64 kernel_code = 0x00af9b000000ffff, kernel_data = 0x00cf93000000ffff,
                user_code32 = 0x00cffb000000ffff, user_data = 0x00cff3000000ffff,
                user_code = 0x00affb000000ffff, number_of_cpu = 0x0040f10000000000;
  const u64 tss = reinterpret_cast<u64>(&t.tss);
  t.gdt = {0,
           0,
           kernel_code,
           kernel_data,
           user_code32,
           user_data,
           user_code,
           0,
           (sizeof(Tss) - 1) | ((tss & 0xffffff) << 16) | (u64{0x89} << 40) |
               ((tss & 0xff000000) << 32),
           tss >> 32,
           number_of_cpu | (cpu & 0xffff) | (u64{cpu >> 16 & 0xf} << 48),
           0,
           0};
  const x86::TableRegister gdtr{sizeof(t.gdt) - 1, reinterpret_cast<u64>(t.gdt.data())};
  x86::lgdt(gdtr);
  asm volatile("pushq %0\n"
               "leaq 1f(%%rip), %%rax\n"
               "pushq %%rax\n"
               "lretq\n"
               "1: movl %1, %%ss\n"
               "xorl %%eax, %%eax\n"
               "movl %%eax, %%ds\n"
               "movl %%eax, %%es\n" ::"i"(x86::kernel_cs),
               "r"(u32{x86::kernel_ds})
               : "rax", "memory");
  x86::ltr(x86::tss_selector);
  // A reset leaves one behind.
  x86::lldt(0);
}

}  // namespace auk::machine
