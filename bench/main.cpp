#include "commands/commands.hpp"

int main(int argc, char** argv) { return attn::bench::attnbench_main(argc, argv, attn::variant_table()); }
