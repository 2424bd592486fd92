#include "core/thread_core.hpp"

namespace auk::core {

AUK_PER_CPU PerCpu<ThreadCore*> current_thread;

}  // namespace auk::core
