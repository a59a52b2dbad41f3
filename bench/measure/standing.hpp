// Standing: who is the fastest of the cases that took turns over one problem, and of whom the passes do not say that
// they are slower. Arithmetic only: it is fed times and measures nothing.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace attn::bench {

// Seconds of a call by pass; NaN where the case sat out. All cases of a group have as many passes.
using PassTimes = std::vector<double>;
PassTimes without_gaps(PassTimes times);  // of the passes that the case took part in

// The passes in which the machine was as fast for all as in its faster ones, in order and odd in number, so that the
// median over them is one of them. What slows every case alike, a neighbour say, comes and goes within a group; the median
// of one case may fall into it and that of another not, which would turn their order around. Which passes are left out is
// decided by what all cases that took part in every pass have in common, never by the case that they then speak of. All
// passes where there are fewer than five, or no such case.
std::vector<std::size_t> quiet_passes(std::span<const PassTimes> group);

// The median over these passes, of a case that sat out of some of them the median over all of its own.
double median_seconds(const PassTimes& times, std::span<const std::size_t> quiet);

// Whether the passes show that `slow` takes longer than `fast`, by at least 1 %: the sign test over the passes that both
// took part in (gate/e_process.hpp), which one in fifteen may contradict. Where these are few, because calls are long, by
// a quarter at least: in all of them, three at least, or in all but one of five and more. By a factor of four, in all of them,
// however few.
bool is_slower(const PassTimes& slow, const PassTimes& fast);

enum class Standing { fastest, level, behind, unknown };
std::string to_string(Standing standing);  // "fastest"

// Of every case of a group. Unknown where there was a single pass, or no other case. Cases without any time are behind.
std::vector<Standing> standings_of(std::span<const PassTimes> group);

}  // namespace attn::bench
