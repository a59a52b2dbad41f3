// Entry of the test program: Catch2, plus the mode in which mutants_test starts it again for one mutant.
#define CATCH_CONFIG_RUNNER
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "grid.hpp"
#include "mutant_process.hpp"

namespace {

// A run that matched no test must fail; Catch2 3 does so by itself.
int run_catch(int argc, char** argv) {
  std::vector<const char*> arguments(argv, argv + argc);
#if CATCH_VERSION_MAJOR < 3
  arguments.insert(arguments.end(), {"--warn", "NoTests"});
#endif
  return Catch::Session().run(static_cast<int>(arguments.size()), arguments.data());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    attn::test::test_grid();
    if (argc > 1 && std::string_view(argv[1]) == attn::test::kMutantFlag)
      return attn::test::run_mutant_process(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "attn_tests: %s\n", error.what());
    return 2;
  }
  return run_catch(argc, argv);
}
