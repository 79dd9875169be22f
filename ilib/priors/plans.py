"""How each prior is trained, by name and profile: networks, data, learner, settings.

blur and numbers are variational autoencoders, faces and shoes DCGANs; gaussian_blur is blur on other kernels,
numbers_10 and so on are numbers with z of another length.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

Built = tuple[str, dict[str, Any]]  # a dotted name in ilib, and what it is called with


@dataclass(frozen=True)
class Plan:
    """What a training is given.  The first network is the prior; the second goes with it (an encoder, a critic)."""

    prior: Built
    partner: Built
    learner: str  # the class of ilib.priors.learners that takes a step
    data: Built  # a function of ilib.priors.sets
    held_out: Built  # pictures or kernels that are never trained on
    terms: str  # the set's name in ilib.data.terms
    steps: int
    batch: int
    lr: float
    bf16: bool = True
    augment: str = "ilib.priors.augment.same"  # what is done to a batch
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return asdict(self)


SETS = "ilib.priors.sets"
NETWORKS = "ilib.networks"


def _blur(kernels: str, n: int, steps: int, batch: int = 64) -> Plan:
    """A VAE of kernels."""
    return Plan(
        (f"{NETWORKS}.vae.BlurDecoder", {"latent": 50, "output": "softplus"}),
        (f"{NETWORKS}.vae.BlurEncoder", {"latent": 50}), "ilib.priors.learners.VAELearner",
        (f"{SETS}.{kernels}", {"n": n, "seed": 0}), (f"{SETS}.{kernels}", {"n": 1000, "seed": 1}), "numbers",
        steps, batch, 2e-3, bf16=False)  # fmt: skip


def _unit(plan: Plan) -> Plan:
    """The same with a sum of 1 built in, and the divergence counted five times over."""
    return replace(plan, prior=(f"{NETWORKS}.vae.UnitBlurDecoder", {"latent": 50}),
                   learner="ilib.priors.learners.StrictVAELearner")  # fmt: skip


def _numbers(data: dict[str, Any], held_out: dict[str, Any], width: int, steps: int, batch: int = 100) -> Plan:
    """A VAE of house numbers."""
    return Plan(
        (f"{NETWORKS}.vae.NumberDecoder", {"latent": 100, "width": width}),
        (f"{NETWORKS}.vae.NumberEncoder", {"latent": 100, "width": width}), "ilib.priors.learners.VAELearner",
        (f"{SETS}.pictures", data), (f"{SETS}.pictures", held_out), data["name"], steps, batch, 1e-3,
        augment="ilib.priors.augment.moved_or_inverted")  # fmt: skip


def _with_latent(plan: Plan, latent: int) -> Plan:
    """The same with a latent vector of another length (Fig. 12)."""
    (prior, given), (partner, its) = plan.prior, plan.partner
    return replace(plan, prior=(prior, given | {"latent": latent}), partner=(partner, its | {"latent": latent}))


def _dcgan(data: dict[str, Any], held_out: dict[str, Any], width: int, steps: int, batch: int = 64) -> Plan:
    """A DCGAN of pictures of 64 x 64 pixels."""
    return Plan(
        (f"{NETWORKS}.dcgan.DCGAN", {"latent": 100, "width": width, "size": 64}),
        (f"{NETWORKS}.dcgan.DCGANCritic", {"width": width, "size": 64}), "ilib.priors.learners.GANLearner",
        (f"{SETS}.pictures", data), (f"{SETS}.pictures", held_out), data["name"], steps, batch, 2e-4,
        augment="ilib.priors.augment.mirrored")  # fmt: skip


DRAWN = {"name": "numbers/train", "n": 4000}
DRAWN_OUT = {"name": "numbers/test", "n": 100}
FEW_DRAWN, FEW_DRAWN_OUT = ({"name": f"numbers/{split}", "n": n} for split, n in (("train", 400), ("test", 20)))
LARGE = {"size": 64}
SVHN, CELEBA, SHOES = ({"name": f"{s}/train"} for s in ("svhn", "celeba", "shoes"))
SVHN_OUT, CELEBA_OUT, SHOES_OUT = ({"name": f"{s}/val", "n": 100} for s in ("svhn", "celeba", "shoes"))

PLANS: dict[str, dict[str, Plan]] = {
    "blur": {
        "smoke": _blur("motion_kernels", 5000, 1500),
        "cpu": _blur("motion_kernels", 60_000, 9400),  # ten epochs
        "gpu": _blur("motion_kernels", 60_000, 47_000),
        "paper": replace(_blur("motion_kernels", 60_000, 1_200_000, 5), lr=1e-5),
    },
    "unit_blur": {  # not in the paper: kernels that sum to 1, a latent space that is filled better
        "smoke": _unit(_blur("motion_kernels", 5000, 1500)),
        "cpu": _unit(_blur("motion_kernels", 60_000, 6000)),
        "gpu": _unit(_blur("motion_kernels", 60_000, 47_000)),
    },
    "gaussian_blur": {
        "smoke": _blur("gaussian_kernels", 5000, 1500),
        "cpu": _blur("gaussian_kernels", 60_000, 9400),
    },
    "numbers": {
        "smoke": _numbers(DRAWN, DRAWN_OUT, 32, 800, 64),
        "cpu": _numbers(SVHN, SVHN_OUT, 128, 1600),  # twenty epochs
        "gpu": _numbers(SVHN, SVHN_OUT, 128, 16_000),
        "paper": replace(_numbers(SVHN, SVHN_OUT, 128, 10_000, 1500), lr=1e-5),
    },
    "faces": {
        "smoke": _dcgan(DRAWN | LARGE, DRAWN_OUT | LARGE, 8, 200),
        "cpu": _dcgan(CELEBA, CELEBA_OUT, 64, 4000),  # thirty epochs
        "gpu": _dcgan(CELEBA, CELEBA_OUT, 64, 20_000),
    },
    "shoes": {
        "smoke": _dcgan(DRAWN | LARGE, DRAWN_OUT | LARGE, 8, 200),
        "cpu": _dcgan(SHOES, SHOES_OUT, 64, 2750),  # a hundred epochs of 1,760
        "gpu": _dcgan(SHOES, SHOES_OUT, 64, 10_000),
    },
}
LATENTS = (10, 30, 100, 300)  # of Fig. 12, which has a prior of house numbers for each
PLANS |= {
    f"numbers_{latent}": {
        "smoke": _with_latent(_numbers(FEW_DRAWN, FEW_DRAWN_OUT, 8, 200, 64), latent),
        "cpu": _with_latent(_numbers(SVHN, SVHN_OUT, 32, 1600), latent),
    }
    for latent in LATENTS
}


def plan_of(name: str, profile: str, seed: int = 0) -> Plan:
    """Return the plan of a prior at a profile.  ValueError that names those that there are."""
    if name not in PLANS:
        raise ValueError(f"there is no prior {name!r}; choose one of {', '.join(PLANS)}")
    if profile not in PLANS[name]:
        raise ValueError(f"{name} has no profile {profile!r}; choose one of {', '.join(PLANS[name])}")
    return replace(PLANS[name][profile], seed=seed)


def weights_name(name: str, profile: str, seed: int = 0, part: str = "prior") -> str:
    """Return the name under which a prior lies in data/weights; part: "prior", "encoder" or "codes"."""
    return f"{part}--{name}--{profile}--s{seed}"
