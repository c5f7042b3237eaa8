"""What runs of the package `verifiers`, in a child process of its own: it takes seconds to import, and a taskset is somebody's code.

Everything that goes in and comes out is JSON. A row is {"prompt": …, "system": … or null, "data": the task's data}.

    rows     the tasks of a taskset that is a single question with a score of its own
    score    the reward of one reply: the trace is a question and an answer, no harness and no runtime behind it
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any


def rows(package: str, most: int) -> list[dict[str, object]]:
    """At most `most` of its tasks, in its order. Raises `ValueError` for what needs more than a reply to be scored."""
    return [_row(task) for task in _taskset(package).take(most)]


async def score(package: str, data: dict[str, object], reply: str) -> float:
    """The reward of a reply to a task. Raises what the taskset raises."""
    import verifiers.v1 as vf
    from verifiers.v1.configs.agent import WireAgentConfig
    from verifiers.v1.trace import AgentInfo, TraceTask

    taskset = _taskset(package)
    kind = taskset.task_type()
    task = kind(kind.data_type().model_validate(data), taskset.config.task)
    asked = vf.MessageNode(message=vf.UserMessage(content=task.data.prompt_text))
    answered = vf.MessageNode(parent=0, message=vf.AssistantMessage(content=reply), sampled=True)
    trace = vf.Trace(
        task=TraceTask(type=kind.__name__, data=task.data, key=task.key, hash=task.hash),
        agent=AgentInfo(config=WireAgentConfig()),
        nodes=[asked, answered],
    )
    await task.score(trace)
    return float(trace.reward)


@lru_cache(maxsize=1)
def _taskset(package: str) -> Any:
    from verifiers.v1.configs.taskset import TasksetConfig
    from verifiers.v1.utils.generic import concrete_type
    from verifiers.v1.utils.loaders import taskset_class

    kind = taskset_class(package)
    config = concrete_type(kind, TasksetConfig) or TasksetConfig
    taskset = kind(config(id=package))
    _check(taskset)
    return taskset


def _check(taskset: Any) -> None:
    """Raises `ValueError` where a reply alone cannot be scored."""
    from verifiers.v1.task import Task

    kind = taskset.task_type()
    task = next(iter(taskset.take(1)), None)
    if task is None:
        raise ValueError("it has no tasks")
    if kind.NEEDS_CONTAINER or type(task).setup is not Task.setup or type(task).finalize is not Task.finalize:
        raise ValueError("its tasks need a container or a harness of their own")
    if task.plugged_judges():
        raise ValueError("its tasks are judged by another model")
    if kind.toolsets(taskset.config.task) or type(taskset).toolsets(taskset.config):
        raise ValueError("its tasks are solved with tools")
    rewards = task.hooks("reward")
    if not rewards or any("runtime" in inspect.signature(reward).parameters for reward in rewards):
        raise ValueError("its rewards need a runtime, and not only the reply")


def _row(task: Any) -> dict[str, object]:
    if not task.data.prompt_text:
        raise ValueError("one of its tasks has no prompt of text")
    data = task.data.model_dump(mode="json", exclude_none=True)
    return {"prompt": task.data.prompt_text, "system": task.data.system_prompt, "data": data}
