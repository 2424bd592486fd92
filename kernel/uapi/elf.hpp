// ELF structures of 64-bit images, core files and the auxiliary vector.
// Linux: <linux/elf.h>
#pragma once

#include <cstdint>
#include <type_traits>

namespace uapi {

struct elf64_ehdr {  //= Elf64_Ehdr
  std::uint8_t e_ident[16];
  std::uint16_t e_type;
  std::uint16_t e_machine;
  std::uint32_t e_version;
  std::uint64_t e_entry;
  std::uint64_t e_phoff;
  std::uint64_t e_shoff;
  std::uint32_t e_flags;
  std::uint16_t e_ehsize;
  std::uint16_t e_phentsize;
  std::uint16_t e_phnum;
  std::uint16_t e_shentsize;
  std::uint16_t e_shnum;
  std::uint16_t e_shstrndx;
};
static_assert(sizeof(elf64_ehdr) == 64);
static_assert(std::has_unique_object_representations_v<elf64_ehdr>);

struct elf64_phdr {  //= Elf64_Phdr
  std::uint32_t p_type;
  std::uint32_t p_flags;
  std::uint64_t p_offset;
  std::uint64_t p_vaddr;
  std::uint64_t p_paddr;
  std::uint64_t p_filesz;
  std::uint64_t p_memsz;
  std::uint64_t p_align;
};
static_assert(sizeof(elf64_phdr) == 56);
static_assert(std::has_unique_object_representations_v<elf64_phdr>);

struct elf64_shdr {  //= Elf64_Shdr
  std::uint32_t sh_name;
  std::uint32_t sh_type;
  std::uint64_t sh_flags;
  std::uint64_t sh_addr;
  std::uint64_t sh_offset;
  std::uint64_t sh_size;
  std::uint32_t sh_link;
  std::uint32_t sh_info;
  std::uint64_t sh_addralign;
  std::uint64_t sh_entsize;
};
static_assert(sizeof(elf64_shdr) == 64);
static_assert(std::has_unique_object_representations_v<elf64_shdr>);

struct elf64_nhdr {  //= Elf64_Nhdr
  std::uint32_t n_namesz;
  std::uint32_t n_descsz;
  std::uint32_t n_type;
};
static_assert(sizeof(elf64_nhdr) == 12);

struct elf64_sym {  //= Elf64_Sym
  std::uint32_t st_name;
  std::uint8_t st_info;
  std::uint8_t st_other;
  std::uint16_t st_shndx;
  std::uint64_t st_value;
  std::uint64_t st_size;
};
static_assert(sizeof(elf64_sym) == 24);

struct elf64_rela {  //= Elf64_Rela
  std::uint64_t r_offset;
  std::uint64_t r_info;
  std::int64_t r_addend;
};
static_assert(sizeof(elf64_rela) == 24);

struct elf64_dyn {  //= Elf64_Dyn
  std::int64_t d_tag;
  std::uint64_t d_val;  //= d_un.d_val
};
static_assert(sizeof(elf64_dyn) == 16);

// One pair of the auxiliary vector; Linux only writes it, the type stands in libc.
struct elf64_auxv {  //= -
  std::uint64_t a_type;
  std::uint64_t a_val;
};
static_assert(sizeof(elf64_auxv) == 16);

}  // namespace uapi
