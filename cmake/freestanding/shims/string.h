// The part of <string.h> that libc++ and the compiler need.
#pragma once
#include <stddef.h>
extern "C" {
void* memcpy(void* __restrict dst, const void* __restrict src, size_t n) noexcept;
void* memmove(void* dst, const void* src, size_t n) noexcept;
void* memset(void* dst, int c, size_t n) noexcept;
int memcmp(const void* a, const void* b, size_t n) noexcept;
void* memchr(const void* s, int c, size_t n) noexcept;
size_t strlen(const char* s) noexcept;
int strcmp(const char* a, const char* b) noexcept;
int strncmp(const char* a, const char* b, size_t n) noexcept;
char* strchr(const char* s, int c) noexcept;
char* strrchr(const char* s, int c) noexcept;
char* strstr(const char* a, const char* b) noexcept;
char* strpbrk(const char* a, const char* b) noexcept;
char* strcpy(char* dst, const char* src) noexcept;
char* strncpy(char* dst, const char* src, size_t n) noexcept;
char* strcat(char* dst, const char* src) noexcept;
char* strncat(char* dst, const char* src, size_t n) noexcept;
int strcoll(const char* a, const char* b) noexcept;
size_t strxfrm(char* dst, const char* src, size_t n) noexcept;
size_t strcspn(const char* a, const char* b) noexcept;
size_t strspn(const char* a, const char* b) noexcept;
char* strtok(char* s, const char* d) noexcept;
char* strerror(int e) noexcept;
}
