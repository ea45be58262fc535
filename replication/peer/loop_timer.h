#pragma once

#include <boost/asio/any_io_executor.hpp>

#include "base/timer.h"

namespace syncline {

// Timers that call back on `loop`, by the machine's steady clock.
MakeTimer LoopTimers(const boost::asio::any_io_executor& loop);

}  // namespace syncline
