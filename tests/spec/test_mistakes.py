"""Mistakes in a sweep file: every one is reported with its line, what is wrong and what to write instead."""

import pytest

from tests.spec.sweep_files import problems_of

CAPPED = "run_cap: 5\nparameters:\n"
"""The first parameter is on line 5."""

BASE_MISTAKES = [
    (
        "model: {kind: mlp, hiden_units: 5}",
        3,
        "model.hiden_units: unknown key. Did you mean hidden_units? Allowed here: kind, hidden_units.",
    ),
    (
        "train:\n  learning_rate: fast",
        4,
        "train.learning_rate: 'fast' is not a number. Allowed: a number > 0 and <= 1000.",
    ),
    ("train: {learning_rate: '1e-3'}", 3, "'1e-3' is text because of its quotes; remove the quotes"),
    ("train: {lr: 0.1}", 3, "train.lr: unknown key. Did you mean learning_rate?"),
    ("train: {epochs: 0}", 3, "train.epochs: 0 is out of range. Allowed: a whole number >= 1 and <= 1000000."),
    ("train: {epochs: 10.5}", 3, "train.epochs: 10.5 is not a whole number. Allowed"),
    ("train: {epochs: 50.0}", 3, "train.epochs: 50.0 is not a whole number; write 50."),
    ("train: {epochs: true}", 3, "train.epochs: true is not a whole number."),
    ("train: {epochs: }", 3, "train.epochs: a value is missing (null)."),
    ("train: {learning_rate: .inf}", 3, "train.learning_rate: inf is out of range"),
    (
        "train: {batch_size: 0.5}",
        3,
        "train.batch_size: 0.5 is not a whole number. Allowed: full or a whole number >= 1.",
    ),
    ("train: {batch_size: ful}", 3, "train.batch_size: 'ful' is not allowed. Did you mean full?"),
    (
        "train: {normalize: yes}",
        3,
        "train.normalize: 'yes' is text in YAML 1.2; write true or false. Allowed: all, true or false.",
    ),
    ("train: {normalize: 'true'}", 3, "'true' is text because of its quotes"),
    (
        "train: {optimizer: adamm}",
        3,
        "train.optimizer: 'adamm' is not allowed. Did you mean adam? Allowed: sgd, adam or adamw.",
    ),
    ("train: {optimizer: 1}", 3, "train.optimizer: 1 is not allowed."),
    ("train: {epochs: {min: 1}}", 3, "train.epochs: {min: 1} is not allowed. Allowed: a whole number"),
    ("train: 5", 3, "train: 5 is not allowed. Allowed: a mapping with the keys optimizer, learning_rate"),
    ("train:\n", 3, "train: null (nothing) is not allowed. Allowed: a mapping"),
    ("model: {hidden_units: 5}", 3, "model.kind: is missing. Allowed: mlp, svm, cnn or resnet."),
    ("model: {kind: mpl}", 3, "model.kind: 'mpl' is not allowed. Did you mean mlp? Allowed: mlp, svm, cnn or resnet."),
    ("model: {kind: [mlp]}", 3, "model.kind: ['mlp'] is not allowed"),
    ("model: {kind: svm, gamma: -1}", 3, "model.gamma: -1 is out of range. Allowed: scale, auto or a number > 0."),
    ("model: {kind: mlp, c: 1.0}", 3, "model.c: unknown key (it belongs to model.kind: svm)."),
    ("model: {kind: mlp, epochs: 5}", 3, "model.epochs: unknown key. Did you mean train.epochs?"),
    ("model: mlp", 3, "model: 'mlp' is not allowed. Did you mean {kind: mlp}? Allowed: a mapping with kind and its"),
    ("removal: 5", 3, "removal: 5 is not allowed. Allowed: a mapping with rule and its keys"),
    ("removal:\n  rule: bdr\n  alpha: 11", 5, "removal.alpha: 11 is out of range. Allowed: a number >= 0 and <= 10."),
    ("removal: {rule: bdr, start: past}", 3, "removal.start: 'past' is not allowed. Did you mean past_peak?"),
    ("removal: {rule: none, alpha: 1.0}", 3, "unknown key (it belongs to removal.rule: bdr or guarded)"),
    (
        "removal:\n  rule: bdr\n  start: 5000",
        5,
        "removal.start: 5000 is never reached, because training ends at epoch 2000.",
    ),
    ("removal: {rule: bdr}\nmodel: {kind: svm}", 3, "removal.rule: bdr needs a model that is trained in epochs"),
    ("train:\n  epochs: 10\n  stop_at: 20", 5, "train.stop_at: 20 lies after train.epochs: 10."),
    ("removal: {rule: oracle}", 3, "removal.rule: oracle needs planted wrong labels that are known"),
    ("epochs: 5", 3, "epochs: unknown key. Did you mean train.epochs?"),
    ("metric: {name: acuracy}", 3, "metric.name: 'acuracy' is not allowed. Did you mean accuracy?"),
    (
        "metric: accuracy",
        3,
        "metric: 'accuracy' is not allowed. Did you mean {name: accuracy}? Allowed: a mapping with the keys name and",
    ),
    ("early_terminate: medain", 3, "early_terminate: 'medain' is not allowed. Did you mean {type: median}? Allowed:"),
    ("confirm: {top_k: 0}", 3, "confirm.top_k: 0 is out of range"),
    (
        "resources: {trials_at_once: 0}",
        3,
        "resources.trials_at_once: 0 is out of range. Allowed: auto or a whole number >= 1.",
    ),
    (
        "resources: {executor: pool, ray_address: auto}",
        3,
        "resources.ray_address: belongs to resources.executor: ray, but the executor is pool. Leave it out, or use",
    ),
    (
        "resources: {executor: inline, gpus_per_trial: 0.5}",
        3,
        "resources.gpus_per_trial: belongs to resources.executor",
    ),
    (
        "resources:\n  executor: ray\n  ray_address: here",
        5,
        "resources.ray_address: 'here' is no address of a Ray cluster. Allowed: auto (the cluster of this machine), ",
    ),
    (
        "resources: {ray_address: 'ray://a:1'}",
        3,
        "'ray://a:1' speaks through Ray's client, but fer-sweep has to run on",
    ),
    (
        "resources:\n  executor: ray\n  gpus_per_trial: 1.5",
        5,
        "resources.gpus_per_trial: 1.5 is neither a part of one nor whole. Allowed: up to 1 a fraction such as 0.5, ",
    ),
    ("resources: {executor: ray, cpus_per_trial: 0}", 3, "resources.cpus_per_trial: 0 is out of range"),
    (
        "resources: {executor: ray, device: cpu, gpus_per_trial: 1}",
        3,
        "resources.gpus_per_trial: 1 does not go with resources.device: cpu. Leave one of the two out.",
    ),
    (
        "early_terminate:\n  min_epoch: 3000",
        4,
        "early_terminate.min_epoch: 3000 lies after the last epoch of the base (2000)",
    ),
    ("method: bayesian", 3, "method: 'bayesian' is not allowed. Did you mean bayes?"),
    ("description: 5", 3, "description: 5 is not text; put it in quotes."),
    ("name: again", 3, "name: the key is written twice; the first is on line 1."),
]

PARAMETER_MISTAKES = [
    ("  data.seed: {values: [1, 2]}", 5, "data cannot be searched: all trials share data and splits"),
    ("  protocol.folds: {values: [2, 3]}", 5, "protocol cannot be searched: all trials share data and splits"),
    (
        "  seed: {values: [1, 2]}",
        5,
        "there is no such field to search. Allowed: fields of features, model,",
    ),
    ("  train.learning_rat: {values: [1.0]}", 5, "no such field to search. Did you mean train.learning_rate?"),
    ("  train.zzz: {values: [1.0]}", 5, "no such field to search. Allowed: train.optimizer, "),
    ("  bdr.alpha: {values: [1.0]}", 5, "Did you mean removal.alpha?"),
    ("  train: {values: [1.0]}", 5, "parameters.train: there is no such field to search"),
    ("  model.c: {values: [1.0]}", 5, "does not exist when model.kind is mlp. It belongs to model.kind: svm."),
    (
        "  removal.rule: {values: [none, bdr]}\n  removal.alpha: {values: [1.0]}",
        6,
        "does not exist when removal.rule is none. Add when: {removal.rule: [bdr]}.",
    ),
    ("  removal.rule: {values: [none, bd]}", 5, "removal.rule.values: 'bd' is not allowed. Did you mean bdr?"),
    ("  removal.rule: {min: 1, max: 2}", 5, "removal.rule is not a number; give values: [...]"),
    ("  removal.rule: {value: oracle}", 5, "oracle needs planted wrong labels"),
    (
        "  train.learning_rate:\n    values: [0.1, fast]",
        6,
        "train.learning_rate.values: 'fast' is not a number. Allowed: a number > 0",
    ),
    ("  train.learning_rate:\n    values: ['1e-3']", 6, "'1e-3' is text because of its quotes"),
    ("  train.learning_rate:\n    min: 0.1\n    max: 5000.0", 7, "train.learning_rate.max: 5000.0 is out of range"),
    ("  train.optimizer: {values: [adam, sdg]}", 5, "'sdg' is not allowed. Did you mean sgd?"),
    (
        "  train.optimizer: {min: 0.0, max: 1.0}",
        5,
        "train.optimizer is not a number; give values: [...]. Allowed: sgd, adam or adamw.",
    ),
    (
        "  train.epochs: {min: 1.0, max: 50.0}",
        5,
        "train.epochs is a whole number, but uniform also draws fractions. Use int_uniform",
    ),
    ("  train.epochs: {min: 1, max: 50, q: 0.5}", 5, "but q_uniform also draws fractions"),
    (
        "  model.hidden_units: {distribution: log_uniform_values, min: 1, max: 50}",
        5,
        "Use q_log_uniform_values with a whole q, such as q: 1.",
    ),
    (
        "  train.weight_decay: {min: 0, max: 1}",
        5,
        "are whole numbers, so that only whole numbers would be tried. Write min: 0.0",
    ),
    ("  train.epochs: 5", 5, "5 is not a mapping. Give values: [...], or value: ..., or min: ... and max: ..."),
    ("  train.epochs: {}", 5, "says nothing about which values to try"),
    ("  train.epochs: {mn: 1, max: 5}", 5, "train.epochs.mn: unknown key. Did you mean min?"),
    ("  train.epochs: {min: 1}", 5, "train.epochs.max: is missing; int_uniform needs min and max."),
    (
        "  train.epochs: {values: [1], max: 5}",
        5,
        "train.epochs.max: does not belong to a categorical parameter. Allowed here: values, probabilities, when.",
    ),
    ("  train.epochs: {min: 5, max: 1}", 5, "min 5 is not below max 1"),
    ("  train.epochs: {min: '1', max: 3}", 5, "train.epochs.min: '1' is text because of its quotes; remove the quotes"),
    ("  train.epochs: {min: a, max: 3}", 5, "train.epochs.min: 'a' is not a number"),
    (
        "  train.epochs: {distribution: int_uniform, min: 1.5, max: 3}",
        5,
        "1.5 is not a whole number, as int_uniform needs",
    ),
    (
        "  train.weight_decay: {distribution: log_uniform_values, min: 0, max: 1}",
        5,
        "0 has no logarithm. Allowed: a number > 0.",
    ),
    ("  train.momentum: {min: 0.0, max: 0.5, q: 0}", 5, "q: 0 is not a step"),
    ("  train.momentum: {min: 0.0, max: 0.5, q: 1.0}", 5, "the step 1.0 is larger than the range from 0.0 to 0.5"),
    ("  train.weight_decay: {min: 0, max: 1.0e+300, q: 1}", 5, "too wide to be searched"),
    (
        "  train.epochs: {distribution: q_log_uniform_values, min: 2, max: 13, q: 10.5}",
        5,
        "but q_log_uniform_values also draws fractions",
    ),
    ("  train.learning_rate: {distribution: log_uniform, min: -5, max: -1}", 5, "Did you mean log_uniform_values?"),
    (
        "  train.learning_rate: {distribution: beta}",
        5,
        "'beta' is a W&B distribution that fer-sweep does not support. Allowed: constant, ",
    ),
    (
        "  train.learning_rate: {distribution: unifrom, min: 0.1, max: 1.0}",
        5,
        "'unifrom' is not a distribution. Did you mean uniform?",
    ),
    ("  train.epochs: {values: []}", 5, "[] is not a list of at least one value"),
    ("  train.epochs: {values: 5}", 5, "5 is not a list of at least one value"),
    ("  train.epochs: {values: [1, 1.0]}", 5, "1 is listed twice"),
    (
        "  train.stop_at: {values: [null, 5]}",
        5,
        "null is not a number, text, true or false. Give a value that means as much, such as the number of epochs for",
    ),
    ("  train.epochs: {value: [1]}", 5, "[1] is not a single value"),
    ("  train.epochs: {values: [1, 2], probabilities: [1.0]}", 5, "there are 1 probabilities for 2 values"),
    ("  train.epochs: {values: [1, 2], probabilities: 1}", 5, "1 is not a list of numbers"),
    ("  train.epochs: {values: [1, 2], probabilities: [1.5, -0.5]}", 5, "a probability is negative or not a number"),
    ("  train.epochs: {values: [1, 2], probabilities: [0.5, 0.4]}", 5, "the probabilities sum to 0.9, not to 1"),
    ("  train.epochs: {values: [1, 2], when: x}", 5, "'x' is not a condition. Write when: {removal.rule: bdr}."),
    (
        "  train.epochs: {values: [1, 2], when: {train.momentum: []}}",
        5,
        "train.momentum: [] is not a value or a list of values",
    ),
    (
        "  train.epochs: {values: [1, 2], when: {train.momentun: 0.5}}\n  train.momentum: {values: [0.5]}",
        5,
        "is not in parameters, so nothing depends on it. Did you mean train.momentum?",
    ),
    (
        "  removal.alpha: {values: [0.5], when: {removal.rule: bdr}}",
        5,
        "is not in parameters, so nothing depends on it. Add removal.rule there, or leave the condition out.",
    ),
    (
        "  train.epochs: {values: [1, 2], when: {train.momentum: 0.7}}\n  train.momentum: {values: [0.5]}",
        5,
        "train.momentum never is 0.7. Allowed: 0.5.",
    ),
    (
        "  train.epochs: {values: [1, 2], when: {train.momentum: 0.7}}\n  train.momentum: {min: 0.0, max: 0.9}",
        5,
        "only a parameter with values can be a condition",
    ),
    (
        "  train.epochs: {values: [1, 2], when: {train.momentum: 0.5}}\n"
        "  train.momentum: {values: [0.5], when: {train.epochs: 1}}",
        6,
        "train.momentum depends on itself, directly or through its conditions",
    ),
    ("  train.epochs: {values: [1], when: {train.epochs: 1}}", 5, "train.epochs depends on itself"),
    (
        "  train: {parameters: {epochs: {values: [1]}}, x: 1}",
        5,
        "train.x: unknown key beside parameters. Write train.<field>: ...",
    ),
    (
        "  train.epochs: {values: [1]}\n  train: {parameters: {epochs: {values: [1]}}}",
        6,
        "train.epochs is written twice, once dotted and once nested",
    ),
]

METHOD_MISTAKES = [
    (
        "parameters:\n  train.epochs: {values: [1]}",
        1,
        "run_cap: nothing ends the search: method bayes proposes for ever. Add run_cap: 100",
    ),
    (
        "method: grid\nparameters:\n  train.weight_decay: {min: 0.0, max: 0.5}",
        5,
        "a grid needs a finite number of values, but this parameter is continuous",
    ),
    (
        "method: grid\nparameters:\n  train.epochs: {values: [1, 2], probabilities: [0.5, 0.5]}",
        5,
        "method grid ignores probabilities. Remove them",
    ),
    ("parameters: [1]", 3, "parameters: [1] is not a mapping of dotted paths such as train.learning_rate"),
]


@pytest.mark.parametrize(("text", "line", "fragment"), [*BASE_MISTAKES, *METHOD_MISTAKES])
def test_a_mistake_is_reported_once_with_its_line_and_remedy(text: str, line: int, fragment: str) -> None:
    [problem] = problems_of(text)
    assert problem.startswith(f"s.yaml:{line}: ")
    assert fragment in problem


@pytest.mark.parametrize(("text", "line", "fragment"), PARAMETER_MISTAKES)
def test_a_mistake_in_a_parameter_is_reported_with_its_line_and_remedy(text: str, line: int, fragment: str) -> None:
    problems = problems_of(CAPPED + text)
    assert any(problem.startswith(f"s.yaml:{line}: parameters.") and fragment in problem for problem in problems), (
        problems
    )


def test_all_problems_are_reported_together_in_the_order_of_the_file() -> None:
    text = (
        "model: {kind: mlp, hiden_units: 5}\ntrain:\n  epochs: none\n  optimizer: x\nmethod: bays\nfoo: 1\nrun_cap: 0\n"
    )
    problems = problems_of(text, ["train.momentum=2"])
    starts = [problem.split(": ")[0] for problem in problems]
    assert starts == ["s.yaml:3", "s.yaml:5", "s.yaml:6", "s.yaml:7", "s.yaml:8", "s.yaml:9", "--set train.momentum=2"]


def test_several_broken_rules_are_all_named() -> None:
    problems = problems_of("model: {kind: svm}\nremoval: {rule: bdr}\ntrain: {epochs: 5, stop_at: 6}")
    assert len(problems) == 2


def test_a_wrong_variant_is_not_held_against_its_parameters() -> None:
    text = CAPPED + "  removal.alpha: {min: 0.5, max: 2.0}\nremoval: {rule: bdrr, alpha: 1.0}"
    [problem] = problems_of(text)
    assert "removal.rule: 'bdrr' is not allowed. Did you mean bdr?" in problem


def test_missing_sections_are_reported_on_the_first_line() -> None:
    problems = problems_of("description: x\n", head="")
    assert problems[0].startswith("s.yaml:1: data: is missing. Allowed: a mapping with source and its keys")
    assert problems[1].startswith("s.yaml:1: name: is missing. Allowed: letters, digits")


def test_an_item_of_a_list_is_named_by_its_index() -> None:
    [problem] = problems_of("", head="name: t\ndata:\n  source: csv\n  path: f.csv\n  features:\n  - a\n  - 1\n")
    assert problem == "s.yaml:7: data.features.1: 1 is not text; put it in quotes. Allowed: text."


def test_a_list_is_asked_for_where_one_is_needed() -> None:
    [problem] = problems_of("", head="name: t\ndata: {source: csv, path: '', features: a}\n")[1:]
    assert "data.features: 'a' is not allowed. Allowed: a list of text such as [a, b] or null." in problem


def test_a_name_that_cannot_be_a_study_name_is_refused() -> None:
    [problem] = problems_of("", head="name: a b\ndata: {source: csv, path: f.csv}\n")
    assert "'a b' is not allowed. Allowed: letters, digits, '.', '_' and '-'" in problem
