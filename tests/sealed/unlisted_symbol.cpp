// Must be refused: defines a global symbol that is no row of the table.
namespace attn::test {
extern const int row;
const int row = 1;
int unlisted() { return row; }
}  // namespace attn::test
