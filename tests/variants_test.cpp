// Every kernel of the table, on every ISA that this machine runs, through the whole battery.
#include "battery.hpp"
#include "catch.hpp"
#include "registry.hpp"

namespace attn::test {

TEST_CASE("every variant passes the battery on every ISA that runs here", "[variants]") {
  const std::vector<const Variant*> rows = runnable(variant_table());
  REQUIRE_FALSE(rows.empty());
  Fixtures fixtures(test_grid());
  for (const Check& check : battery()) DYNAMIC_SECTION(check.name << ": " << check.property) {
      for (const Variant* row : rows) {
        const std::string failure = check.run(*row, fixtures);
        CHECK(failure == "");
      }
    }
}

TEST_CASE("a variant runs on every ISA of this machine that it was built for", "[variants]") {
  // An ISA that is silently never tested would be as good as untested: each one that runs here has rows.
  for (const Variant* row : variant_table())
    if (runs_here(isa_of(*row))) CHECK(find(runnable(variant_table()), row->name, isa_of(*row)) == row);
}

}  // namespace attn::test
