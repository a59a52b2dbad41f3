// attnbench over the mutants: shows that the program itself refuses to print a wrong kernel's numbers.
#include "commands/commands.hpp"
#include "mutant_tables.hpp"

int main(int argc, char** argv) { return attn::bench::attnbench_main(argc, argv, attn::all_mutants()); }
