"""Do the settings of `resources` fit each other?"""

import re

from fer_sweep.spec.problems import Problems
from fer_sweep.spec.search import Resources

ADDRESSES = "Allowed: auto (the cluster of this machine), local (one for this run) or HOST:PORT, such as 10.0.0.1:6379."


def check_resources(resources: Resources, problems: Problems) -> None:
    """Check what belongs to which executor, and what Ray can set aside."""
    if resources.trial_timeout is not None and resources.executor == "inline":
        problems.add(
            ("resources", "trial_timeout"),
            "a trial in this process cannot be ended from outside",
            value=resources.trial_timeout,
            allowed="Leave it out, or use resources.executor: pool.",
        )
    for name in resources.ray_settings if not resources.on_ray else ():
        problems.add(
            ("resources", name),
            f"belongs to resources.executor: ray, but the executor is {resources.executor}",
            value=getattr(resources, name),
            allowed="Leave it out, or use resources.executor: ray.",
        )
    if resources.ray_address is not None and (wrong := address_problem(resources.ray_address)):
        problems.add(("resources", "ray_address"), wrong, value=resources.ray_address, allowed=ADDRESSES)
    for name in ("cpus_per_trial", "gpus_per_trial"):
        share: float | None = getattr(resources, name)
        if share is not None and share > 1 and not share.is_integer():
            problems.add(
                ("resources", name),
                f"{share:g} is neither a part of one nor whole",
                value=share,
                allowed="Allowed: up to 1 a fraction such as 0.5, beyond it whole numbers.",
            )
    gpus = resources.gpus_per_trial
    if gpus is not None and ((gpus > 0 and resources.device == "cpu") or (gpus == 0 and resources.device == "cuda")):
        problems.add(
            ("resources", "gpus_per_trial"),
            f"{gpus:g} does not go with resources.device: {resources.device}",
            value=gpus,
            allowed="Leave one of the two out.",
        )


def address_problem(address: str) -> str | None:
    """What is wrong with the address of a Ray cluster; None if nothing is."""
    if "://" in address:
        return f"'{address}' speaks through Ray's client, but fer-sweep has to run on a node of the cluster itself"
    if address in ("auto", "local") or re.fullmatch(r"\S+:\d{1,5}", address):
        return None
    return f"'{address}' is no address of a Ray cluster"
