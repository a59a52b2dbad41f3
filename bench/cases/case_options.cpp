#include <fmt/format.h>

#include <set>

#include "base/errors.hpp"
#include "base/stop.hpp"
#include "cases/axes.hpp"
#include "cases/best_file.hpp"
#include "cases/case_options.hpp"
#include "cases/sweep.hpp"

namespace attn::bench {

void add_case_options(CLI::App& command, CaseOptions& options) {
  command.add_option("--sweep", options.sweeps, "a name in bench/sweeps/ or a file; may be repeated");
  command.add_option("--problem", options.problems, "such as h:12/q:1024/d:64/mask:causal; may be repeated");
  command.add_option("--axis", options.axes,
                     "a key of --problem takes these values in turn: q=128:4096:x2, q=64:512:+64, h=1,8,32; may be "
                     "repeated, for all combinations");
  command.add_flag("--zip", options.zip, "axes advance together, instead of all combinations");
  command.add_option(
      "--depth", options.depths,
      "lengths of the cache that a decode step of --problem meets: 512:32768:x2 or a list; as --axis k=, "
      "with q:1 where the problem says nothing");
  command.add_option("--variants", options.variants,
                     "comma-separated regular expressions over variant names; `best` is what the library would choose");
  command.add_option("--isa", options.isa,
                     "native (the highest that runs here; the default), all, or a comma-separated list");
  command.add_option("--threads", options.threads, "comma-separated team sizes");
}

void add_best_option(CLI::App& command, CaseOptions& options) {
  command.add_option("--best", options.best,
                     "a file of `attnbench tune`: where it has the problem, `--variants best` takes its choice");
}

namespace {

// A sweep that names ISAs wants those of them that run here; the others stay among the skipped.
void keep_isas(Cases& cases, const std::string& isas) {
  const auto unwanted = [&](std::string_view isa) {
    return fmt::format(",{},", isas).find(fmt::format(",{},", isa)) == std::string::npos;
  };
  std::erase_if(cases.run, [&](const Case& c) { return unwanted(c.variant->isa); });
  std::erase_if(cases.skipped, [&](const Skipped& s) { return unwanted(parse_case_name(s.name).isa); });
}

// What stands behind --problem, with the values of all axes.
std::vector<std::string> problem_texts(const CaseOptions& options, const NpzFile* tensors) {
  const bool has_axes = !options.axes.empty() || !options.depths.empty();
  if (options.zip && options.axes.size() + !options.depths.empty() < 2)
    throw UsageError("--zip joins two axes or more; add --axis KEY=VALUES");
  if (!has_axes) return options.problems;
  const char* given = options.axes.empty() ? "--depth" : "--axis";
  if (!options.sweeps.empty())
    throw UsageError(
        fmt::format("{} varies --problem; in the file of a sweep write axis = [\"q=128:4096:x2\"]", given));
  if (tensors != nullptr)
    throw UsageError(fmt::format("--tensors holds the inputs of one problem, {} makes many; leave it out", given));
  std::vector<std::string> problems = options.problems, texts;
  if (problems.empty()) problems.emplace_back();
  try {
    std::vector<Axis> axes;
    for (const std::string& axis : options.axes) axes.push_back(parse_axis(axis));
    if (!options.depths.empty()) axes.push_back(parse_depths(options.depths));
    for (std::string problem : problems) {
      const bool chosen = std::ranges::any_of(axes, [](const Axis& axis) { return axis.key == "q"; });
      if (!options.depths.empty() && !chosen) problem = decode_problem(problem);
      for (std::string& text : expand_axes(problem, axes, options.zip)) texts.push_back(std::move(text));
    }
  } catch (const std::invalid_argument& error) {
    throw UsageError(fmt::format("{}: {}", given, error.what()));
  }
  return texts;
}

// The text with the dtype of a file's tensors where it names none.
std::string with_dtype(const std::string& text, const NpzFile& tensors) {
  if (("/" + text).find("/dtype:") != std::string::npos) return text;
  return fmt::format("{}/dtype:{}", text, element_of(tensors.dtype()).name);
}

// Problems of the command line. The tensors of a file are inputs of a problem that has their shapes, and of no other.
std::vector<Workload> named_workloads(const CaseOptions& options, const NpzFile* tensors) {
  std::vector<Workload> workloads;
  for (const std::string& text : problem_texts(options, tensors)) {
    throw_if_interrupted();
    try {
      Workload w = parse_workload(tensors == nullptr ? text : with_dtype(text, *tensors));
      if (tensors != nullptr) {
        if (w.setup.fill != Fill::file && ("/" + text).find("/fill:") != std::string::npos)
          throw std::invalid_argument(fmt::format("fill:{} does not go with --tensors; leave it out or write fill:file",
                                                  kFillNames[static_cast<std::size_t>(w.setup.fill)]));
        w.setup.fill = Fill::file;
        try {
          validate_given(tensors->tensors(), w.problem);
        } catch (const std::invalid_argument& error) {
          throw std::invalid_argument(fmt::format("{} does not fit: {}", tensors->path(), error.what()));
        }
      }
      workloads.push_back(w);
    } catch (const std::invalid_argument& error) {
      throw UsageError(fmt::format("--problem: {}", error.what()));
    }
  }
  if (workloads.empty() && tensors != nullptr)
    workloads.push_back({.problem = tensors->problem(), .setup = {.fill = Fill::file}});
  return workloads;
}

}  // namespace

Cases expand_cases(const CaseOptions& options, std::span<const Variant* const> table,
                   const std::string& default_threads, const Guests& guests, const NpzFile* tensors) {
  if (!options.best.empty() && options.variants.find("best") == std::string::npos)
    throw UsageError("--best is what the word `best` stands for; add --variants best");
  const Choices choices = options.best.empty() ? Choices{} : choices_for_this_machine(options.best);
  if (tensors != nullptr && !options.sweeps.empty())
    throw UsageError("--tensors holds the inputs of one problem, a sweep names many; leave --sweep out");
  Cases all;
  std::set<std::string> seen;
  const auto add = [&](const SweepSelection& wanted, const std::vector<Workload>& workloads, const std::string& model) {
    const auto either = [](const std::string& named, const std::string& otherwise) {
      return named.empty() ? otherwise : named;
    };
    const bool some_isas = options.isa.empty() && !wanted.isas.empty();
    const Selection selection{
        .variants = either(options.variants, wanted.variants),
        .isa = some_isas ? "all" : either(options.isa, "native"),
        .threads = either(options.threads, wanted.threads),
        .choices = choices,
        .guests = guests,
    };
    for (const Workload& w : workloads)
      if (w.setup.fill == Fill::file && tensors == nullptr)
        throw UsageError(fmt::format("{}: fill:file are the tensors of a file; name it with --tensors FILE.npz",
                                     to_short_string(w)));
    Cases cases = select_cases(selection, workloads, table);
    if (some_isas) keep_isas(cases, wanted.isas);
    for (Case& c : cases.run)
      if (seen.insert(case_name(c)).second) {
        c.model = model;
        all.run.push_back(std::move(c));
      }
    for (Skipped& s : cases.skipped)
      if (seen.insert(s.name).second) all.skipped.push_back(std::move(s));
  };
  for (const std::string& name : options.sweeps) {
    const Sweep sweep = load_sweep(name);
    for (const SweepProblem& problem : sweep.problems) {
      throw_if_interrupted();
      add(problem.selection, {problem.workload}, problem.model);
    }
  }
  const std::vector<Workload> workloads = named_workloads(options, tensors);
  if (!workloads.empty()) add({.threads = default_threads}, workloads, "");
  return all;
}

}  // namespace attn::bench
