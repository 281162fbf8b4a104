"""`dllab config NN [overrides]`: the resolved config of each arm."""

import argparse


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "config",
        help="show a lab's resolved config",
        description="Show every value a training would use, per arm, after all overrides.",
        epilog="example: dllab config 03 arm=vowels data=full trainer.max_epochs=3",
    )
    parser.add_argument("lab", metavar="NN", help="the lab: 03, rnn, or folder/03")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="config overrides")
    parser.add_argument("--json", action="store_true", help="as JSON, `{arm: config}`")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0; a config that is wrong is a LabError (2)."""
    import json

    import yaml

    from dllab.config.compose import compose
    from dllab.lab.find import find_lab
    from dllab.lab.project import find_root

    lab = find_lab(find_root(), args.lab)
    arms = {arm: config.plain() for arm, config in compose(lab, args.overrides).items()}
    if args.json:
        print(json.dumps(arms, indent=2))
    elif not arms:
        print(f"lab {lab.number} trains nothing, so it has no config")
    else:
        print("---\n".join(yaml.safe_dump(arm, sort_keys=False) for arm in arms.values()), end="")
    return 0
