"""Build script: metadata lives in pyproject.toml; this file maps the three source roots to one distribution."""

from setuptools import find_packages, setup

ROOTS = {"sdk": "emoface", "training": "emoface_training", "export": "emoface_export"}

setup(
    package_dir={package: f"{root}/{package}" for root, package in ROOTS.items()},
    packages=[
        name
        for root, package in ROOTS.items()
        for name in find_packages(root, include=[package, f"{package}.*"])
    ],
)
