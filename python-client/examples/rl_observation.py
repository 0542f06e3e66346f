"""The desktop as a gymnasium environment: observations are frames, resized in one pass."""

from __future__ import annotations

import subprocess
from typing import Any

import framering
import gymnasium
import numpy as np
from numpy.typing import NDArray

Observation = NDArray[np.uint8]


class DesktopEnv(gymnasium.Env[Observation, int]):
    """The picture, (height, width, 3) uint8 RGB; an action paints the desktop; red is the goal."""

    COLORS = ("#aa0000", "#00aa00", "#0000aa")

    def __init__(self, size: tuple[int, int] = (84, 84), source: str = "screen") -> None:
        self.observation_space = gymnasium.spaces.Box(0, 255, (*size, 3), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(len(self.COLORS))
        self._size = size
        self._stream = framering.open(source)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        super().reset(seed=seed)
        return self._observe()

    def step(self, action: int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        subprocess.run(["xsetroot", "-solid", self.COLORS[action]], check=True)
        observation, info = self._observe()
        red = bool(observation[..., 0].mean() > observation[..., 1:].mean())
        return observation, float(red), red, False, info

    def close(self) -> None:
        self._stream.close()

    def _observe(self) -> tuple[Observation, dict[str, Any]]:
        # What the action before this call did is in the picture.
        with self._stream.wait_until() as frame:
            picture: Observation = frame.to_numpy(channels="RGB", size=self._size, resize="area")
            return picture, {"sequence": frame.sequence, "captured_ns": frame.capture_ns}


class Changes(gymnasium.ObservationWrapper[Observation, int, Observation]):
    """Observations as the absolute difference to the one before."""

    def __init__(self, env: gymnasium.Env[Observation, int]) -> None:
        super().__init__(env)
        assert env.observation_space.shape
        self._before = np.zeros(env.observation_space.shape, np.uint8)

    def observation(self, observation: Observation) -> Observation:
        changed = np.maximum(observation, self._before) - np.minimum(observation, self._before)
        self._before = observation
        return changed


def main() -> None:
    env = Changes(DesktopEnv())
    observation, _ = env.reset(seed=1)
    for step in range(20):
        observation, reward, done, _, info = env.step(int(env.action_space.sample()))
        print(f"step {step}: frame {info['sequence']}, changed {observation.mean():.1f}, reward {reward:g}")
        if done and reward:
            break
    env.close()


if __name__ == "__main__":
    main()
