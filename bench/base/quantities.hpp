// Quantities as a person reads them: three digits and a unit that suits.
#pragma once

#include <string>

namespace attn::bench {

std::string time_text(double seconds);   // "12.3 us", "1.50 ms"
std::string count_text(double count);    // "12.3k"
std::string clock_time(double seconds);  // "1:05"

}  // namespace attn::bench
