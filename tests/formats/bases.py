"""A record of every format that guard reads, each with its metadata and what it skips."""

from __future__ import annotations

import json
from typing import Any

HI = {"role": "user", "content": "hi there, all of you"}
OK = {"role": "assistant", "content": "good to see you"}
SYSTEM = {"role": "system", "content": "be kind to all of them"}
IMAGE = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}
CALL = {"id": "t1", "type": "function", "function": {"name": "search", "arguments": "{}"}}

BASES: dict[str, Any] = {
    "openai": {"id": "c1", "model": "gpt-4o", "messages": [HI, OK]},
    "openai system": {
        "messages": [SYSTEM, HI, {**OK, "tool_calls": [CALL]}, {"role": "tool", "content": "42"}],
        "tools": [],
    },
    "openai parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi there, you"}, IMAGE]}]},
    "bare list": [HI, OK],
    "anthropic": {
        "system": "be kind to them",
        "messages": [
            HI,
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "good to see you"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"q": "x"}},
                ],
            },
        ],
    },
    "pairs": {"id": 1, "prompt": "hi there, you", "response": "good to see you", "label": 0},
    "alpaca": {"instruction": "say this now", "input": "all of that", "output": "this is it"},
    "moderation": {"model": "m", "input": ["hi there, you", "and you there"]},
    "sharegpt": {
        "id": "c",
        "conversations": [{"from": "human", "value": "hi there"}, {"from": "gpt", "value": "oh hello you"}],
    },
    "lmsys": {
        "conversation_id": "c",
        "conversation": [HI, OK],
        "turn": 1,
        "language": "English",
        "openai_moderation": [{"categories": {"hate": False}, "flagged": False}],
    },
    "hh": {
        "chosen": "\n\nHuman: hi there\n\nAssistant: hello to you",
        "rejected": "\n\nHuman: hi there\n\nAssistant: go now please",
    },
    "preference": {
        "prompt": "hi there, you",
        "chosen": [OK],
        "rejected": [{"role": "assistant", "content": "go now please"}],
    },
    "batch request": {
        "custom_id": "r1",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [HI]},
    },
    "batch completion": {
        "custom_id": "r1",
        "url": "/v1/completions",
        "body": {"model": "m", "prompt": "hi there, you"},
    },
    "batch response": {
        "custom_id": "r1",
        "url": "/v1/responses",
        "body": {
            "model": "m",
            "instructions": "be kind to them",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "hi there, you"}]},
                {"type": "function_call_output", "output": "4"},
            ],
        },
    },
    "batch answer": {
        "id": "b",
        "custom_id": "r1",
        "error": None,
        "response": {
            "status_code": 200,
            "request_id": "q",
            "body": {
                "choices": [{"index": 0, "message": OK, "finish_reason": "stop", "logprobs": None}],
                "usage": {"total_tokens": 3},
            },
        },
    },
    "batch answer of responses": {
        "custom_id": "r1",
        "error": None,
        "response": {
            "status_code": 200,
            "body": {
                "object": "response",
                "output": [
                    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "they greet me so"}]},
                    {
                        "type": "message",
                        "role": "assistant",
                        "content": [{"type": "output_text", "text": "good to see you", "annotations": []}],
                    },
                ],
            },
        },
    },
    "anthropic batch": {
        "custom_id": "a",
        "result": {
            "type": "succeeded",
            "message": {
                "role": "assistant",
                "content": [{"type": "text", "text": "good to see you"}],
                "usage": {"input_tokens": 1},
            },
        },
    },
    "vercel": {
        "id": "x",
        "messages": [
            {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi there, you"}]},
            {
                "id": "m2",
                "role": "assistant",
                "parts": [
                    {"type": "step-start"},
                    {"type": "tool-f", "input": {}},
                    {"type": "text", "text": "good to see you"},
                ],
            },
        ],
    },
    "telemetry": {
        "span_id": "s",
        "attributes": {
            "gen_ai.system": "x",
            "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi there, you"}]}],
            "gen_ai.output.messages": json.dumps(
                [{"role": "assistant", "parts": [{"type": "text", "content": "good to see you"}]}]
            ),
        },
    },
    "langfuse": {
        "id": "o1",
        "trace_id": "t",
        "type": "GENERATION",
        "input": json.dumps([HI]),
        "output": json.dumps(OK),
        "metadata": {},
    },
    "langfuse text": {"trace_id": "t", "input": "hi there, you", "output": "good to see you"},
    "observe": {"trace_id": "t", "input": {"args": ["hi there, you"], "kwargs": {"n": 1}}, "output": "good to see you"},
    "langsmith": {
        "id": "r",
        "name": "ChatOpenAI",
        "run_type": "llm",
        "inputs": {
            "messages": [
                [
                    {
                        "lc": 1,
                        "type": "constructor",
                        "id": ["langchain", "schema", "HumanMessage"],
                        "kwargs": {"content": "hi there, you"},
                    }
                ]
            ]
        },
        "outputs": {
            "generations": [
                [
                    {
                        "text": "good to see you",
                        "generation_info": {"finish_reason": "stop"},
                        "message": {"type": "ai", "data": {"content": "good to see you"}},
                    }
                ]
            ],
            "llm_output": {},
        },
    },
    "weave": {"op_name": "chat", "trace_id": "t", "inputs": {"messages": [HI]}, "output": "good to see you"},
}
