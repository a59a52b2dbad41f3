// Why a run should end early. Signals only set a flag; every loop that takes long asks for it.
#pragma once

#include <string_view>

namespace attn::bench {

// SIGINT and SIGTERM ask the run to stop (a second one ends the process at once, exit 130). A crash prints the case
// that was running and ends with exit 1; its row is recorded by --resume.
void install_signal_handlers();

// In a worker: a crash ends the process by its signal, which tells the parent.
void leave_crashes_to_the_parent();

// Names what is running now, for the message of a crash. The text must be storable in 1 KiB; longer is cut.
void set_current_activity(std::string_view text);

bool interrupted();

}  // namespace attn::bench
