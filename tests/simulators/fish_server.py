"""A Fish Speech server of one's own, as a process: ``python -m tests.simulators.fish_server``."""

from tests.simulators.base import main
from tests.simulators.fish import FishServerSimulator

if __name__ == "__main__":
    main(FishServerSimulator)
