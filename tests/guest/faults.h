// Touching memory that may not be there: what signal a touch ends in.
#pragma once

#include "ktap.h"

#include <setjmp.h>

static sigjmp_buf back;
static int volatile fault_code;
static void* volatile fault_address;

static void on_fault(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  fault_code = info->si_code;
  fault_address = info->si_addr;
  siglongjmp(back, number);
}

static void catch_faults(void) {
  struct sigaction const action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  NEED(sigaction(SIGSEGV, &action, NULL));
  NEED(sigaction(SIGBUS, &action, NULL));
}

// The signal that a touch ends in, or 0.
static int read_at(char const volatile* at) {
  int const number = sigsetjmp(back, 1);
  if (number == 0) (void)*at;
  return number;
}

static int write_at(char volatile* at) {
  int const number = sigsetjmp(back, 1);
  if (number == 0) *at = 1;
  return number;
}
