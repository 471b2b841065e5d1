"""Everyday logs of every format pass `filter` and an audit's gate harmless: with no option, or with the one line that
`guard check --paths` prints."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests import tiny
from tests.cli.running import guard

AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/604.1"
HI = {"role": "user", "content": "Hi, my order has not arrived yet."}
OK = {"role": "assistant", "content": "Sorry to hear that! May I have its number?"}
SYSTEM = {"role": "system", "content": "You are the assistant of a shop. Be kind and short."}
META = {
    "id": "chatcmpl-9f2aX7",
    "created": 1714557600,
    "model": "gpt-4o-mini-2024-07-18",
    "user_agent": AGENT,
    "ip": "192.168.0.17",
    "url": "https://shop.example/orders/1234?ref=mail",
    "session_id": "3f2504e0-4f89-11d3-9a0c",
    "locale": "en-US",
    "created_at": "Wed, 01 May 2024 10:00:00 GMT",
    "finish_reason": "stop",
    "log_file": "/var/log/shop/chat.jsonl",
    "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b",
    "tags": ["orders", "late"],
    "usage": {"prompt_tokens": 12, "completion_tokens": 9, "service": "the default tier"},
}
NOTES = {"title": "Order that is late", "notes": "Ann called back in the evening.", "customer": {"name": "Ann Lee"}}

TRACE = {"trace_id": "t1", "type": "GENERATION", "level": "DEFAULT", "environment": "production", "latency": 1.2}

LOGS: dict[str, Any] = {
    "openai": META | {"messages": [SYSTEM, HI, OK]},
    "openai parts": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                ],
            }
        ]
    },
    "openai tools": {
        "messages": [
            HI,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "t",
                        "type": "function",
                        "function": {"name": "find_order", "arguments": '{"who": "the caller of now"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "t", "content": "It is on its way."},
            OK,
        ],
        "tools": [{"type": "function", "function": {"name": "find_order", "description": "Find an order."}}],
    },
    "reasoning": {"messages": [HI, {**OK, "reasoning_content": "The order is late, so I ask for its number."}]},
    "anthropic": {
        "system": "Be kind to all.",
        "messages": [
            HI,
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "Let me see."},
                    {"type": "tool_use", "id": "t1", "name": "find", "input": {"q": "late"}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "On its way."}]},
        ],
    },
    "pairs": META | {"prompt": HI["content"], "response": OK["content"]},
    "moderation": {"model": "llama-guard", "input": ["Hi there, all of you"]},
    "sharegpt": {
        "id": "c1",
        "conversations": [{"from": "human", "value": "Hi there"}, {"from": "gpt", "value": "Hello to you"}],
    },
    "lmsys": {
        "conversation_id": "c1",
        "model": "vicuna-13b",
        "conversation": [HI, OK],
        "turn": 1,
        "language": "English",
        "openai_moderation": [{"categories": {"hate": False}, "category_scores": {"hate": 0.1}, "flagged": False}],
        "redacted": False,
    },
    "wildchat": {
        "conversation_hash": "h1",
        "timestamp": "2024-01-01T00:00:00Z",
        "conversation": [
            HI
            | {
                "language": "English",
                "toxic": False,
                "turn_identifier": 1,
                "country": "United States",
                "header": {"accept-language": "en-US,en;q=0.9", "user-agent": AGENT},
            }
        ],
        "detoxify_moderation": [{"toxicity": 0.01}],
    },
    "hh": {
        "chosen": "\n\nHuman: hi there\n\nAssistant: hello to you",
        "rejected": "\n\nHuman: hi there\n\nAssistant: not now please",
    },
    "preference": {"prompt": "Hi there, you", "chosen": "Hello to you", "rejected": "Not now, please"},
    "batch request": {
        "custom_id": "r1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [SYSTEM, HI], "temperature": 0.2},
    },
    "batch response": {
        "custom_id": "r1",
        "response": {
            "status_code": 200,
            "request_id": "q",
            "body": {
                "object": "response",
                "instructions": "Be kind to all.",
                "output": [
                    {
                        "type": "message",
                        "role": "assistant",
                        "status": "completed",
                        "content": [{"type": "output_text", "text": "Hello to you", "annotations": []}],
                    }
                ],
                "text": {"format": {"type": "text"}},
                "reasoning": {"effort": "low"},
            },
        },
        "error": None,
    },
    "batch answer": {
        "id": "b",
        "custom_id": "r1",
        "response": {
            "status_code": 200,
            "request_id": "q",
            "body": {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "choices": [
                    {
                        "index": 0,
                        "message": OK | {"refusal": None, "annotations": []},
                        "logprobs": None,
                        "finish_reason": "stop",
                    }
                ],
                "usage": {"total_tokens": 9},
                "system_fingerprint": "fp_44709d6fcb",
            },
        },
        "error": None,
    },
    "anthropic batch": {
        "custom_id": "a",
        "result": {
            "type": "succeeded",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-3-5-sonnet-20241022",
                "content": [{"type": "text", "text": "Hello to you"}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 4},
            },
        },
    },
    "vercel": {
        "id": "chat-1",
        "messages": [
            {
                "id": "m1",
                "role": "user",
                "createdAt": "2024-05-01T10:00:00.000Z",
                "parts": [{"type": "text", "text": "Hi there, you"}],
            },
            {
                "id": "m2",
                "role": "assistant",
                "metadata": {"took": "two seconds"},
                "parts": [{"type": "step-start"}, {"type": "text", "text": "Hello to you", "state": "done"}],
            },
        ],
    },
    "telemetry": {
        "name": "chat gpt-4o",
        "trace_id": "5b8efff798038103d269b633813fc60c",
        "kind": "SPAN_KIND_CLIENT",
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-4o",
            "server.address": "api.openai.com",
            "gen_ai.input.messages": json.dumps(
                [{"role": "user", "parts": [{"type": "text", "content": "Hi there, you"}]}]
            ),
            "gen_ai.output.messages": [
                {"role": "assistant", "parts": [{"type": "text", "content": "Hello to you"}], "finish_reason": "stop"}
            ],
        },
    },
    "langfuse": TRACE
    | {"input": json.dumps([SYSTEM, HI]), "output": json.dumps(OK), "metadata": {"route": "the help page"}},
    "observe": TRACE | {"input": {"args": ["Hi there, all of you"], "kwargs": {"limit": 5}}, "output": "Hello to you"},
    "langsmith": {
        "id": "r1",
        "name": "ChatOpenAI",
        "run_type": "llm",
        "inputs": {
            "messages": [
                [
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["langchain", "schema", "messages", "HumanMessage"],
                        "kwargs": {"content": "Hi there, you", "type": "human"},
                    }
                ]
            ]
        },
        "outputs": {
            "generations": [
                [
                    {
                        "text": "Hello to you",
                        "type": "ChatGeneration",
                        "generation_info": {"finish_reason": "stop"},
                        "message": {
                            "lc": 1,
                            "type": "constructor",
                            "id": ["langchain", "schema", "messages", "AIMessage"],
                            "kwargs": {
                                "content": "Hello to you",
                                "type": "ai",
                                "response_metadata": {"model_name": "gpt-4o"},
                            },
                        },
                    }
                ]
            ],
            "llm_output": {"token_usage": {}},
            "run": None,
            "type": "LLMResult",
        },
        "extra": {"metadata": {"by": "the nightly job"}},
    },
    "notes beside": META | NOTES | {"messages": [SYSTEM, HI, OK]},
    "notes in messages": {"messages": [HI | {"name": "Ann Lee", "note": "sent from her phone"}, OK]},
    "a rendering": {"messages": [HI, OK], "text": f"<|user|>\n{HI['content']}\n<|assistant|>\n{OK['content']}"},
}

FILES = {name: f"{json.dumps(record)}\n" * 2 for name, record in LOGS.items()} | {
    "lines": "Hi there, all of you\nhow do I parse {x} in Python?\n\n[12:30] <ann> see you there\n",
    "transcript": "User: hi there\nAssistant: hello to you\n\nUser: bye now\nAssistant: bye\n",
    "csv": 'id,prompt,response,label,url\r\n1,hi there,"hello\r\nto you",0,https://x/y\r\n2,bye now,,0,\r\n',
    "csv with notes": "ID;Prompt;Notes;hate/threatening\n1;hi there;call her back;0\n",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reads")
    return tiny.write(folder / "toy.gguf", reads={"bomb": ("S9", 1.0)}, name="Llama Guard 3 (toy)")


@pytest.mark.parametrize("name", FILES)
def test_an_everyday_log_passes(name: str, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(FILES[name], newline="")
    listed = guard("check", "--paths", path)
    line = next((line for line in listed.stderr.splitlines() if line.startswith("  --ignore ")), "")
    assert listed.returncode == (3 if line else 0), listed.stderr
    assert bool(line) is ("notes" in name)
    options = shlex.split(line)
    passed = guard("filter", "-m", model, "--threads", "1", path, *options)
    assert (passed.returncode, passed.stdout) == (0, FILES[name]), passed.stderr
    out = tmp_path / "out.jsonl"
    audited = guard("audit", path, "-o", out, "-m", model, "--threads", "1", "--max-unsafe", "0", *options)
    assert audited.returncode == 0, audited.stderr
    if line:
        (tmp_path / "out.jsonl.journal").unlink()
        out.unlink()
        assert guard("audit", path, "-o", out, "-m", model, "--threads", "1", "--max-unsafe", "0").returncode == 3


def test_the_list_of_paths_says_what_happens_to_each(tmp_path: Path) -> None:
    record = {
        "id": "c1",
        "title": "how it went",
        "metadata": {"by": "the night shift"},
        "response": "not in a message",
        "messages": [
            SYSTEM,
            HI | {"note": "sent late"},
            {"role": "assistant", "content": "good", "tool_calls": [{"x": "a b c"}]},
        ],
    }
    (tmp_path / "log").write_text(json.dumps(record) + "\n")
    done = guard("check", "--paths", tmp_path / "log", "--ignore", "title")
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines()[2:]:
        found.setdefault(line[:19].strip(), []).append(line)
    assert [text.split()[2] for text in found["unread"]] == ["messages[].note"]
    assert [text.split()[2] for text in found["error"]] == ["response"]
    assert "title" in found["ignored"][0]
    assert "--ignore 'messages[].note,response'" in done.stderr
    assert done.returncode == 3
