// Purpose: the words that `auk run` and auk-init exchange over the control port, and the format of
// the command file. For the host tool and for the guest's init.
#pragma once

namespace auk::guest::protocol {

// In the guest's root: fields, each ended by a zero byte, each starting with its kind.
//   p        streams and control are ports of a virtio console, not of serial lines
//   d        the root is on the first disk, under the copies, and nothing is written there
//   t        the command gets a terminal
//   s R C    that terminal's size
//   u WHO    its user, and after a colon its group: names or numbers of the guest's
//   w DIR    its working directory
//   e K=V    one variable of its environment
//   a ARG    one word of it
constexpr auto command_file = "/auk/command";
constexpr unsigned command_limit = 256 * 1024;
// What the host put over a root that is on a disk.
constexpr auto copies = "/auk/copies";
// A folder of modules that the guest loads before it looks for the disk, outside of that root.
constexpr auto modules_for_disk = "/auk/modules";
// A folder of modules that the guest loads before it runs the command.
constexpr auto modules = "/lib/modules/auk";

// Lines from the guest.
constexpr auto started = "started";
constexpr auto taken_format = "taken %llu\n";     // bytes of input that left the port's buffers
constexpr auto sent_format = "sent %llu %llu\n";  // bytes of output and of errors, in all
constexpr auto exit_format = "exit %d";           // the last line, or
constexpr auto signal_format = "signal %d";       // the number of the signal that ended it

// Lines from the host. `signal N` goes to the command's process group.
constexpr auto end_of_input = "eof";
constexpr auto size_format = "size %d %d";
constexpr auto all_arrived = "done";  // how it ended, and so many bytes as were sent

// The ports: ttyS1 to ttyS3, or by their names.
constexpr auto data_name = "auk.data", errors_name = "auk.errors", control_name = "auk.control";

// So many bytes of input may be on their way: what the buffer of a serial terminal holds, or what
// makes no difference to a port.
constexpr unsigned serial_window = 3072, port_window = 64 * 1024;

constexpr int tool_failed = 125;

}  // namespace auk::guest::protocol
