// <cstdio> is only included for these names; nothing here is defined.
#pragma once
#include <stddef.h>
struct FILE;
extern "C" int remove(const char*) noexcept;
#define EOF (-1)
