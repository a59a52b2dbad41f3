// attnbench over the mutants: shows that the program itself refuses to print a wrong kernel's numbers.
#include "commands.hpp"

namespace attn {
std::span<const Variant* const> mutant_table() noexcept;
}

int main(int argc, char** argv) { return attn::bench::attnbench_main(argc, argv, attn::mutant_table()); }
