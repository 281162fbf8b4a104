"""Tiny labs of every kind that the contract must carry: complete rooms, as an author writes."""

from pathlib import Path

from dllab.authoring.strip import strip
from dllab.lab.find import Lab

SECTIONS = (
    "The idea",
    "What you write",
    "Classic mistakes",
    "Rubric and time",
    "What to try next",
    "Further reading",
)
CHECKLIST = "topics: []\nboxes: []\n"

# --- code only: an autograd engine for one operation ---------------------------------------------

ENGINE = """
class Value:
    def __init__(self, data, parents=()):
        self.data, self.parents, self.grad = data, parents, 0.0

    def __mul__(self, other):
        return Value(self.data * other.data, ((self, other.data), (other, self.data)))

    def backward(self):
        # BEGIN SOLUTION backward: add each path's share to every ancestor's grad.
        stack = [(self, 1.0)]
        while stack:
            node, upstream = stack.pop()
            node.grad += upstream
            stack += [(parent, upstream * local) for parent, local in node.parents]
        # END SOLUTION
"""
ENGINE_CHECKS = '''
import torch
from dllab.checks import check, close


def numbers(rng):
    return {"x": torch.rand(2, generator=rng).double() + 1}


def grads_probe(lab, given):
    a, b = (lab.Value(float(x)) for x in given["x"])
    (a * a * b).backward()
    return {"grad": torch.tensor([a.grad, b.grad], dtype=torch.float64)}


@check("backward", "Gradients", 100, given=numbers, probe=grads_probe,
       returns={"grad": "float64 [2]"})
def backward(given, got):
    """`backward` adds up the gradients of all paths."""
    a, b = given["x"]
    return close(got["grad"], torch.stack([2 * a * b, a * a]))
'''
ENGINE_MUTANT = """
CATCHES = "backward"
WHY = "Of several paths only the last one counts."
EDITS = [("node.grad += upstream", "node.grad = upstream")]
"""

# --- generative: two optimisers, judged by its samples -------------------------------------------

GAN = """
import torch
from torch import nn


def play(real, steps=150):
    torch.manual_seed(0)
    shift, critic = nn.Parameter(torch.zeros(())), nn.Linear(1, 1)
    g_opt = torch.optim.SGD([shift], lr=0.1)
    d_opt = torch.optim.SGD(critic.parameters(), lr=0.1)
    for _ in range(steps):
        fake = torch.randn(64, 1) + shift
        # BEGIN SOLUTION game: let the critic, then the generator, take its step.
        # The critic wants real samples high, false ones low; the generator wants its own high.
        d_opt.zero_grad()
        gap = critic(fake.detach()).mean() - critic(real).mean()
        (gap + critic.weight.square().sum()).backward()
        d_opt.step()
        g_opt.zero_grad()
        (-critic(fake).mean()).backward()
        g_opt.step()
        # END SOLUTION
    return shift.detach()


_state = {"shift": torch.zeros(())}


def fit(real):
    _state["shift"] = play(real)


def sample(n, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, generator=generator) + _state["shift"]
"""
GAN_CHECKS = '''
import torch
from dllab.checks import check, close


def real(rng):
    return {"real": torch.randn(256, 1, generator=rng) + 2}


def sample_probe(lab, given):
    lab.fit(given["real"])
    return {"samples": lab.sample(512, 3)}


@check("game", "Samples like the data", 100, given=real, probe=sample_probe,
       returns={"samples": "float32 [512, 1]"})
def game(given, got):
    """After the game the samples lie where the data lie."""
    return close(got["samples"].mean(), given["real"].mean(), atol=0.4, what="the samples' mean")
'''
GAN_MUTANT = """
CATCHES = "game"
WHY = "The generator's loss is cut from the generator: it never moves."
EDITS = [("(-critic(fake).mean())", "(-critic(fake.detach()).mean())")]
"""

# --- control: the scorer owns the environment ----------------------------------------------------

POLE = """
import torch


def act(observations):
    # BEGIN SOLUTION act: push each cart so that it comes to rest in the middle, [B].
    # An observation is (place, speed); a push lies in [-1, 1].
    place_B, speed_B = observations.unbind(dim=1)
    return (-place_B - 2 * speed_B).clamp(-1, 1)
    # END SOLUTION
"""
POLE_CHECKS = '''
import torch
from dllab.checks import check, holds


def starts(rng):
    return {"observations": 2 * torch.rand(50, 2, generator=rng) - 1}


def act_probe(lab, given):
    return {"actions": lab.act(given["observations"])}


@check("act", "Energy falls", 100, given=starts, probe=act_probe,
       returns={"actions": "float32 [50]"})
def act(given, got):
    """A push never adds energy, and takes some from nearly every cart."""
    place, speed = given["observations"].unbind(1)
    pushed = speed + 0.1 * got["actions"]
    before = (place + 2 * speed).abs()
    after = (place + 0.1 * speed + 2 * pushed).abs()
    limited = bool((got["actions"].abs() <= 1).all())
    return holds(limited and (after < before + 0.1).all(), "some cart was pushed the wrong way")
'''
POLE_MUTANT = """
CATCHES = "act"
WHY = "Every push goes the wrong way."
EDITS = [("(-place_B - 2 * speed_B)", "(place_B + 2 * speed_B)")]
"""

# --- a lab with given.py -------------------------------------------------------------------------

USER = """
from .given import double


def quadruple(x):
    # BEGIN SOLUTION quadruple: double x twice.
    return double(double(x))
    # END SOLUTION
"""
USER_CHECKS = '''
import torch
from dllab.checks import check, close


def numbers(rng):
    return {"x": torch.randn(3, generator=rng)}


def quadruple_probe(lab, given):
    return {"y": lab.quadruple(given["x"])}


@check("quadruple", "Four times", 100, given=numbers, probe=quadruple_probe,
       returns={"y": "float32 [3]"})
def quadruple(given, got):
    """`quadruple` is four times its argument."""
    return close(got["y"], 4 * given["x"])
'''
USER_MUTANT = """
CATCHES = "quadruple"
WHY = "Once is not twice."
EDITS = [("double(double(x))", "double(x)")]
"""
GIVEN = "def double(x):\n    return 2 * x\n"

KINDS = {
    "code_only": ("Value", "backward", ENGINE, ENGINE_CHECKS, ENGINE_MUTANT),
    "generative": ("fit, sample", "game", GAN, GAN_CHECKS, GAN_MUTANT),
    "control": ("act", "act", POLE, POLE_CHECKS, POLE_MUTANT),
    "given": ("quadruple", "quadruple", USER, USER_CHECKS, USER_MUTANT),
}


def make_root(root: Path) -> Path:
    """An empty project with a checklist of one topic."""
    (root / "labs").mkdir(parents=True)
    (root / "labs" / "__init__.py").touch()
    (root / "pyproject.toml").touch()
    (root / "labs" / "checklist.yaml").write_text(
        "topics:\n- {id: tiny, title: Tiny, level: beginner, category: data, hands_on: yes,\n"
        "   mastery: Be small., concepts: [small], prerequisites: [], how: {planned: 1}}\n"
        "boxes: []\n"
    )
    return root


def write_kind(root: Path, kind: str, number: str = "90", parent: Path | None = None) -> Lab:
    """A complete lab of one kind below `parent` (default: the project's labs)."""
    exports, task, solution, checks, mutant = KINDS[kind]
    lab = Lab(root, (parent or root / "labs") / f"lab{number}_{kind}")
    text = "".join(f"## {section}\n\n`{task}`\n\n" for section in SECTIONS)
    spec = (
        f"title: {kind}\nsummary: A tiny lab.\nlevel: beginner\ntopics: [tiny]\n"
        f"exports: [{exports}]\nchecks: {{{task}: 100}}\npass_score: 0.7\n"
        f"hints: {{{task}: [think, think again]}}\nbudgets: {{train_s: 60}}\nstarter_sha256: x\n"
    )
    files = {
        "README.md": f"# {kind}\n\n{text}",
        "lab.yaml": spec,
        "__init__.py": "",
        "checks.py": checks,
        "test_lab.py": "",
        "_author/__init__.py": "",
        "_author/solution.py": solution.lstrip(),
        "_author/mutants/wrong.py": mutant,
    }
    if kind == "given":
        files["given.py"] = GIVEN
    for name, content in files.items():
        (lab.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (lab.folder / name).write_text(content, encoding="utf-8")
    strip(lab)
    return Lab(root, lab.folder)  # lab.yaml, which now has the hash, is read anew
