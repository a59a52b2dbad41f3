// The ruler's parts that can be judged without timing, and that the measuring ones give usable numbers.
#include "machine/ceilings.hpp"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>

#include "base/slices.hpp"
#include "catch.hpp"
#include "folder.hpp"
#include "machine/read_turns.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;

constexpr std::int64_t kKiB = 1 << 10, kMiB = 1 << 20, kGiB = 1 << 30;

// A machine with two hardware threads per L1 and L2, and eight per L3.
const std::vector<Cache> kCaches = {{1, 32 * kKiB, 2}, {2, 1 * kMiB, 2}, {3, 32 * kMiB, 8}};

ReadSpan contiguous(const std::vector<std::uint32_t>& words) {
  const auto bytes = static_cast<std::int64_t>(words.size() * sizeof words[0]);
  return {reinterpret_cast<const std::byte*>(words.data()), 1, bytes, bytes};
}

}  // namespace

TEST_CASE("a share is the median over slices of kernel against the higher ceiling beside it", "[ceilings]") {
  Slices slices;
  CHECK(!slices.median_percent());
  for (const auto& [kernel, ceiling] : {std::pair{50.0, 100.0}, {60.0, 80.0}, {10.0, 100.0}}) {
    if (slices.size() == 0) slices.add_ceiling(100);
    slices.add_kernel(kernel);
    slices.add_ceiling(ceiling);
  }
  // 50 / max(100, 100), 60 / max(100, 80), 10 / max(80, 100): the slow ceiling flatters neither neighbour.
  CHECK(slices.size() == 3);
  CHECK(*slices.median_percent() == Approx(50));
  slices.add_kernel(70);
  slices.add_ceiling(100);
  CHECK(*slices.median_percent() == Approx(55));
}

TEST_CASE("a kernel slice counts only with a ceiling on both sides", "[ceilings]") {
  Slices slices;
  slices.add_ceiling(100);
  slices.add_kernel(50);
  CHECK(!slices.median_percent());
  slices.add_ceiling(100);
  slices.add_ceiling(200);
  CHECK(slices.size() == 1);
}

TEST_CASE("a share is never NaN or infinite", "[ceilings]") {
  Slices slices;
  slices.add_ceiling(0);
  for (const double bad : {1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
    slices.add_kernel(bad);
    slices.add_ceiling(0);
  }
  CHECK(!slices.median_percent());
  slices.add_kernel(1);
  slices.add_ceiling(4);
  CHECK(*slices.median_percent() == Approx(25));
}

TEST_CASE("only a share above 100 is a fault of the ruler", "[ceilings]") {
  CHECK(is_ruler_fault(100.1));
  CHECK(!is_ruler_fault(100));
  CHECK(!is_ruler_fault(3));
}

TEST_CASE("calls per slice follow the time that calls took, and grow tenfold at most", "[ceilings]") {
  CHECK(calls_for(2e-3, 10, 1e-3) == 20);
  CHECK(calls_for(2e-3, 10, 1e-6) == 100);
  CHECK(calls_for(2e-3, 10, 0) == 100);
  CHECK(calls_for(2e-3, 10, 1e-1) == 1);
  CHECK(calls_for(2e-3, 1, 5) == 1);
}

TEST_CASE("caches are read as the system tells them, and left out where it does not", "[ceilings]") {
  const Folder folder;
  const auto tell = [&](const char* index, const char* level, const char* type, const char* size, const char* cpus) {
    const auto path = folder.path / index;
    std::filesystem::create_directories(path);
    std::ofstream(path / "level") << level << '\n';
    std::ofstream(path / "type") << type << '\n';
    if (*size != '\0') std::ofstream(path / "size") << size << '\n';
    std::ofstream(path / "shared_cpu_list") << cpus << '\n';
  };
  CHECK(data_caches(folder.file("absent")).empty());
  CHECK(last_level_bytes({}) == 0);
  tell("index0", "1", "Data", "48K", "0");
  tell("index1", "1", "Instruction", "32K", "0");
  tell("index2", "2", "Unified", "2M", "0-1");
  tell("index3", "3", "Unified", "491520K", "0-3,8,10-11");
  const std::vector<Cache> caches = data_caches(folder.path);
  REQUIRE(caches.size() == 3);
  CHECK(caches[0].bytes == 48 * kKiB);
  CHECK(caches[1].bytes == 2 * kMiB);
  CHECK(caches[1].shared_by == 2);
  CHECK(caches[2].level == 3);
  CHECK(caches[2].shared_by == 7);
  CHECK(last_level_bytes(caches) == 480 * kMiB);
  std::filesystem::remove(folder.path / "index2" / "size");
  CHECK(data_caches(folder.path).size() == 1);
}

TEST_CASE("footprints are halves of what a thread has of each cache, and four times all of it", "[ceilings]") {
  const std::vector<ReadLevel> levels = read_levels(kCaches, 1, 64 * kGiB);
  REQUIRE(levels.size() == 4);
  for (const ReadLevel& level : levels) CHECK(level.reason.empty());
  CHECK(levels[0].bytes == 16 * kKiB);
  CHECK(levels[1].bytes == 512 * kKiB);
  CHECK(levels[2].bytes == 16 * kMiB);
  CHECK(levels[3].name == "memory");
  CHECK(levels[3].bytes == 4 * (32 * kKiB + kMiB + 32 * kMiB));
}

TEST_CASE("threads that share a cache share its footprint", "[ceilings]") {
  const std::vector<ReadLevel> levels = read_levels(kCaches, 4, 64 * kGiB);
  CHECK(levels[0].bytes == 4 * 8 * kKiB);
  CHECK(levels[1].bytes == 4 * 256 * kKiB);
  CHECK(levels[2].bytes == 16 * kMiB);
}

TEST_CASE("a level that cannot be measured says why", "[ceilings]") {
  // An L3 of which a thread has no more than of its L2.
  const auto levels = read_levels({{1, 32 * kKiB, 1}, {2, 2 * kMiB, 1}, {3, 16 * kMiB, 8}}, 8, 64 * kGiB);
  CHECK(levels[1].reason.empty());
  CHECK(contains(levels[2].reason, "twice its 2 MiB of the level below"));
  const auto poor = read_levels(kCaches, 1, 100 * kMiB);
  CHECK(contains(poor[3].reason, "100 MiB is available"));
  const auto modest = read_levels(kCaches, 1, 200 * kMiB);
  CHECK(modest[3].reason.empty());
  CHECK(modest[3].bytes == 100 * kMiB);
  const auto untold = read_levels({}, 2, 64 * kGiB);
  REQUIRE(untold.size() == 1);
  CHECK(contains(untold[0].reason, "does not tell"));
}

TEST_CASE("the shares of a team cover a span once", "[ceilings]") {
  for (const ReadSpan whole :
       {ReadSpan{nullptr, 1, 1000, 1000}, ReadSpan{nullptr, 1, 60, 60}, ReadSpan{nullptr, 7, 20, 64}})
    for (const int members : {1, 2, 3, 8}) {
      const std::byte* next = whole.data;
      std::int64_t bytes = 0;
      for (int member = 0; member < members; ++member) {
        const ReadSpan share = share_of(whole, member, members);
        CHECK(share.row_bytes >= 0);
        if (share.rows * share.row_bytes > 0) CHECK(share.data == next);
        next = share.data + (whole.rows == 1 ? share.row_bytes : share.rows * share.stride_bytes);
        bytes += share.rows * share.row_bytes;
      }
      CHECK(bytes == whole.rows * whole.row_bytes);
    }
}

TEST_CASE("the read probe of every ISA reads every byte of every span", "[ceilings]") {
  for (const Probe* probe : probe_table()) {
    if (probe->kind != ProbeKind::read || !runs_here(*parse_isa(probe->isa))) continue;
    CAPTURE(probe->isa);
    for (const ReadLoop read : probe->read)
      for (const std::size_t words : {1, 3, 16, 31, 128, 129, 1000}) {
        std::vector<std::uint32_t> data(words, 0);
        for (std::size_t w = 0; w < words; ++w) {
          data[w] = 1u << (w % 32);
          const ReadSpan span = contiguous(data);
          CHECK(read(&span, 1, 2) == data[w]);
          data[w] = 0;
        }
      }
    // Memory that is read in pieces, and these in streams, of powers of two: around all their ends, and here and there.
    std::vector<std::uint32_t> long_data(1'700'000 / sizeof(std::uint32_t), 0);
    const ReadSpan long_span = contiguous(long_data);
    constexpr std::size_t kEnds = 32 * kKiB / sizeof(std::uint32_t), kAround = 20;
    for (const ReadLoop read : probe->read)
      for (std::size_t w = 0; w < long_data.size(); ++w) {
        if ((w + kAround) % kEnds >= 2 * kAround && w % 8171 != 0) continue;
        long_data[w] = 1;
        CHECK(read(&long_span, 1, 1) == 1);
        long_data[w] = 0;
      }
    // Nine rows of 37 words, 40 apart: what lies between the rows is not read.
    std::vector<std::uint32_t> data(9 * 40, 0);
    const ReadSpan rows{reinterpret_cast<const std::byte*>(data.data()), 9, 37 * 4, 40 * 4};
    for (std::size_t w = 0; w < data.size(); ++w) {
      data[w] = 4;
      const ReadSpan spans[2] = {ReadSpan{}, rows};
      for (const ReadLoop read : probe->read) CHECK(read(spans, 2, 1) == (w % 40 < 37 ? 4u : 0u));
      data[w] = 0;
    }
  }
}

std::uint32_t loop_a(const ReadSpan*, std::int64_t, std::int64_t) { return 0; }
std::uint32_t loop_b(const ReadSpan*, std::int64_t, std::int64_t) { return 1; }
std::uint32_t loop_c(const ReadSpan*, std::int64_t, std::int64_t) { return 2; }

TEST_CASE("of the loops that read the two fastest take turns, and now and then another", "[ceilings]") {
  const ReadLoops loops = {loop_a, loop_b, loop_c};
  for (std::size_t slow = 0; slow < loops.size(); ++slow) {
    bench::ReadTurns turns(loops);
    std::map<ReadLoop, int> tried;
    while (!turns.is_settled()) {
      const ReadLoop loop = turns.current();
      // The others are disturbed when they are first tried.
      turns.add_rate(loop == loops[slow] ? 5 : tried[loop] == 0 ? 4 : 6);
      ++tried[loop];
    }
    CHECK(tried == std::map<ReadLoop, int>{{loop_a, 2}, {loop_b, 2}, {loop_c, 2}});
    tried.clear();
    ReadLoop before = nullptr;
    for (int turn = 0; turn < 20; ++turn) {
      CHECK(turns.current() != before);
      before = turns.current();
      ++tried[before];
      turns.add_rate(1);
    }
    CHECK(tried[loops[slow]] == 2);
    // Undisturbed it turns out to be the best: from then on it is one of the two.
    while (turns.current() != loops[slow]) turns.add_rate(1);
    turns.add_rate(7);
    int its_turns = 0;
    for (int turn = 0; turn < 20; ++turn) its_turns += turns.current() == loops[slow], turns.add_rate(1);
    CHECK(its_turns >= 8);
  }
}

TEST_CASE("only 16-bit elements of a level that multiplies them have a unit beside the f32 FMA", "[ceilings]") {
  const auto name = [](Isa isa, attn_dtype dtype) {
    const PeakUnit* own = own_unit(isa, dtype);
    return own == nullptr ? std::string() : own->name;
  };
  CHECK(name(Isa::amx, ATTN_BF16) == "bf16 tiles");
  CHECK(name(Isa::avx512bf16, ATTN_BF16) == "bf16 dot");
  for (std::size_t i = 0; i < kIsaNames.size(); ++i)
    for (const Element& element : kElements)
      if (level_of(Isa(i)).dot != element.dtype || element.dtype == ATTN_F32)
        CHECK(name(Isa(i), static_cast<attn_dtype>(element.dtype)).empty());
  for (const PeakUnit& unit : kPeakUnits) CHECK(find_peak_unit(unit.name) == &unit);
  CHECK(find_peak_unit("") == nullptr);
}

TEST_CASE("every ISA that runs here has every ceiling, finite and positive", "[ceilings]") {
  const Surroundings around{.caches = {{1, 16 * kKiB, 1}, {2, 128 * kKiB, 2}}, .available_bytes = kGiB};
  ReadGround ground;
  int measured = 0;
  for (std::size_t i = 0; i < kIsaNames.size(); ++i)
    for (const int threads : {1, 2}) {
      const auto isa = static_cast<Isa>(i);
      const Ceilings ceilings = measure_ceilings(isa, threads, 0, around, ground);
      CAPTURE(kIsaNames[i], threads);
      CHECK(ceilings.fma.has_value() == runs_here(isa));
      CHECK(ceilings.exp2.has_value() == runs_here(isa));
      CHECK(ceilings.amx.has_value() == (isa == Isa::amx && runs_here(isa)));
      CHECK(ceilings.dot.has_value() == (implies(isa, Isa::avx512bf16) && runs_here(isa)));
      for (const char* kind : {"f32_fma", "exp2"}) CHECK(to_json(ceilings).at(kind).is_null() == !runs_here(isa));
      const Json written = Json::array({to_json(ceilings)});
      const auto rate = [](const std::optional<Ceiling>& c) {
        return c ? std::optional(c->per_second / 1e9) : std::nullopt;
      };
      CHECK(peak_in(written, isa, kFma, threads) == rate(ceilings.fma));
      CHECK(peak_in(written, isa, *find_peak_unit("bf16 dot"), threads) == rate(ceilings.dot));
      CHECK(peak_in(written, isa, *find_peak_unit("bf16 tiles"), threads) == rate(ceilings.amx));
      CHECK_FALSE(peak_in(written, isa, kFma, threads + 1).has_value());
      if (!runs_here(isa)) continue;
      ++measured;
      for (const auto& ceiling : {ceilings.fma, ceilings.exp2}) {
        CHECK(std::isfinite(ceiling->per_cycle(threads)));
        CHECK(ceiling->per_second > 0);
      }
      REQUIRE(ceilings.reads.size() == 3);
      for (const ReadCeiling& read : ceilings.reads) {
        CHECK(read.level.reason.empty());
        CHECK(read.rate.per_second > 0);
      }
    }
  CHECK(measured > 0);
}

}  // namespace attn::test
