// Axes: one line for a family of problems.
#include "cases/axes.hpp"

#include "catch.hpp"
#include "support.hpp"

namespace attn::test {
namespace {

using namespace attn::bench;
using Texts = std::vector<std::string>;

std::string complaint_of(const std::string& axis) {
  try {
    parse_axis(axis);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

std::string complaint_of(const std::string& problem, const Texts& axes, bool zip = false) {
  try {
    std::vector<Axis> parsed;
    for (const std::string& axis : axes) parsed.push_back(parse_axis(axis));
    expand_axes(problem, parsed, zip);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("an axis is a range or a list", "[axes]") {
  CHECK(parse_axis("q=128:1024:x2").values == Texts{"128", "256", "512", "1024"});
  CHECK(parse_axis("q=128:1023:x2").values == Texts{"128", "256", "512"});
  CHECK(parse_axis("k=0:100:+50").values == Texts{"0", "50", "100"});
  CHECK(parse_axis("k=7:7:x3").values == Texts{"7"});
  CHECK(parse_axis("h=1,8,32").values == Texts{"1", "8", "32"});
  CHECK(parse_axis("mask=none,causal").values == Texts{"none", "causal"});
  CHECK(parse_axis("window=127,0").values == Texts{"127,0"});
  CHECK(parse_axis("window=127,0;511,0").values == Texts{"127,0", "511,0"});
  CHECK(parse_axis("q=1:9223372036854775807:x4611686018427387904").values == Texts{"1", "4611686018427387904"});
  CHECK(parse_axis("q=9223372036854775806:9223372036854775807:+2").values == Texts{"9223372036854775806"});
}

TEST_CASE("an axis that is none is told with what would be valid", "[axes]") {
  CHECK(contains(complaint_of("q"), "not an axis; valid: KEY=FIRST:LAST:xFACTOR"));
  CHECK(contains(complaint_of("q="), "not an axis"));
  CHECK(contains(complaint_of("z=1,2"), "unknown key 'z'; valid: b, h,"));
  CHECK(contains(complaint_of("q=128:4096"), "'128:4096' is no range; valid: "));
  CHECK(contains(complaint_of("q=128:4096:2"), "is no range"));
  CHECK(contains(complaint_of("q=a:b:x2"), "no range of integers"));
  CHECK(contains(complaint_of("q=-4:4:+1"), "no range of integers of at least 0"));
  CHECK(contains(complaint_of("q=1:99999999999999999999:x2"), "no range of integers"));
  CHECK(contains(complaint_of("q=4096:128:x2"), "128 is below 4096: the range is empty"));
  CHECK(contains(complaint_of("q=1:8:x1"), "a factor is at least 2"));
  CHECK(contains(complaint_of("q=0:8:x2"), "a first value of at least 1"));
  CHECK(contains(complaint_of("q=1:8:+0"), "a step is at least 1"));
  CHECK(contains(complaint_of("q=1:1000000000000:+1"), "more than 10000 values"));
  CHECK(contains(complaint_of("q=1,,2"), "an empty value"));
  CHECK(contains(complaint_of("q=1,2,1"), "'1' is there twice"));
}

TEST_CASE("axes are combined, or advance together", "[axes]") {
  const std::vector<Axis> axes = {parse_axis("q=128,256"), parse_axis("h=1,8")};
  CHECK(expand_axes("d:64", axes, false) ==
        Texts{"d:64/q:128/h:1", "d:64/q:128/h:8", "d:64/q:256/h:1", "d:64/q:256/h:8"});
  CHECK(expand_axes("", axes, true) == Texts{"q:128/h:1", "q:256/h:8"});
  CHECK(expand_axes("d:64", {}, false) == Texts{"d:64"});
}

TEST_CASE("axes that do not go together are told", "[axes]") {
  CHECK(contains(complaint_of("h:1/q:8", {"q=1,2"}), "'q' is an axis, and problem 'h:1/q:8' has it too"));
  CHECK(contains(complaint_of("h:1", {"q=1,2", "q=3"}), "two axes of 'q'; write one list"));
  CHECK(contains(complaint_of("h:1", {"q=1,2", "k=3"}, true), "zipped axes differ in length: q has 2 values, k has 1"));
  CHECK(contains(complaint_of("h:1", {"q=1:200:+1", "k=1:200:+1"}), "more than 10000 problems"));
  // No product overflows, and nothing is made before it is known how much it is.
  CHECK(contains(complaint_of("h:1", {"q=1:9000:+1", "k=1:9000:+1", "b=1:9000:+1", "d=1:9000:+1", "dv=1:9000:+1"}),
                 "more than 10000 problems"));
}

TEST_CASE("a decode step has one query unless the problem says more", "[axes]") {
  CHECK(decode_problem("h:8/d:64") == "h:8/d:64/q:1");
  CHECK(decode_problem("h:8/q:4/d:64") == "h:8/q:4/d:64");
  CHECK(decode_problem("").substr(0, 3) == "q:1");
  CHECK(parse_depths("512:2048:x2").key == "k");
  CHECK(parse_depths("512:2048:x2").values == Texts{"512", "1024", "2048"});
}

}  // namespace attn::test
