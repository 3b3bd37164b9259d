"""The stand-in's conversation: its items in order, and what a client may do to them; not what is said."""

from typing import Any

import attrs

from replay.model.script import CallRemote
from replay.model.wire import Message, RefusedError, Wire

_CONTENT = {
    "user": ("input_text", "input_audio", "input_image"),
    "system": ("input_text",),
    "assistant": ("output_text",),
}
_WORDS = {"input_image": "image_url", "input_audio": "audio"}
"""What a content part must have beside its type; all others have a text."""

BEGINNING = "root"
"""The item before the first one, by the name under which a client puts one there."""

MOST_ID_LETTERS = 32


@attrs.define
class Entry:
    """One item with the milliseconds of audio in it; after is the item it was put behind."""

    item: Message
    after: str | None
    audio_ms: float = 0.0
    was_truncated: bool = False


@attrs.define
class Conversation:
    """The items of one session; announces every change on the wire."""

    _wire: Wire
    id: str
    entries: dict[str, Entry] = attrs.field(factory=dict)
    tail: str | None = None
    tool_outputs: dict[str, str] = attrs.field(factory=dict)
    """call_id to output, as the client gave them."""
    truncations: dict[str, int] = attrs.field(factory=dict)
    """item_id to audio_end_ms, the last one told; refused ones are not in here."""

    approvals: dict[str, CallRemote] = attrs.field(factory=dict)
    """What the client was asked about and has not answered, by the item that asks."""
    to_call: list[tuple[CallRemote, str | None]] = attrs.field(factory=list)
    """Tools of MCP servers that may be called now, with the item in which they were approved."""

    def add(self, item: Message, audio_ms: float = 0.0, *, after: str | None = None) -> Entry:
        """Put an item at the end, or behind another one; BEGINNING is before all."""
        before = self.tail if after is None else None if after == BEGINNING else after
        entry = Entry(item, before, audio_ms)
        self._insert(entry)
        self._wire.event("conversation.item.added", previous_item_id=entry.after, item=item)
        return entry

    def _insert(self, entry: Entry) -> None:
        entries, at = list(self.entries.items()), 0
        if entry.after is not None:
            at = list(self.entries).index(entry.after) + 1
        entries.insert(at, (entry.item["id"], entry))
        self.entries.clear()
        self.entries.update(entries)
        self.tail = entries[-1][0]

    def close(self, item_id: str) -> None:
        """Say that an item will not change any more."""
        entry = self.entries.get(item_id)
        if entry is not None:
            self._wire.event("conversation.item.done", previous_item_id=entry.after, item=entry.item)

    def create(self, event: Message) -> Message:
        """conversation.item.create: a typed message, a tool's output, or a call of before; wherever it is to stand."""
        item = _checked_item(event["item"])
        after = event.get("previous_item_id")
        if after not in (None, BEGINNING, *self.entries):
            text = f"Failed to add item: the previous item '{after}' does not exist."
            raise RefusedError("invalid_value", text, "previous_item_id")
        self._check_id(item.get("id", "new"))
        if item["type"] == "function_call_output":
            self._take_output(item)
        if item["type"] == "mcp_approval_response":
            self._take_approval(item)
            item.setdefault("id", self._wire.make_id("mcpr"))
            self.add(item, after=after)
            self.close(item["id"])
            return item
        item = {"id": item.pop("id", None) or self._wire.make_id("item"), "status": "completed", **item}
        self.add(item, after=after)
        self.close(item["id"])
        return item

    def truncate(self, event: Message) -> None:
        """conversation.item.truncate: the transcript of the item is gone with its tail."""
        entry = self._find(event["item_id"], "item_truncate_invalid_item_id")
        end_ms = event["audio_end_ms"]
        if entry.item.get("role") != "assistant" or event["content_index"] != 0:
            raise RefusedError(
                "invalid_value", "Only the audio of an assistant message can be truncated.", "item_id"
            )
        if not isinstance(end_ms, int) or end_ms < 0:
            raise RefusedError(
                "integer_below_min_value", f"Invalid 'audio_end_ms': {end_ms!r}.", "audio_end_ms"
            )
        if end_ms > entry.audio_ms:
            text = f"Audio content of {int(entry.audio_ms)}ms is already shorter than {end_ms}ms"
            raise RefusedError("invalid_value", text, "audio_end_ms")
        entry.audio_ms = end_ms
        entry.was_truncated = True
        self.truncations[event["item_id"]] = end_ms
        fields = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        self._wire.event("conversation.item.truncated", **fields)

    def retrieve(self, event: Message) -> None:
        """conversation.item.retrieve, without the audio; a truncated item has lost its words."""
        entry = self._find(event["item_id"], "item_retrieve_invalid_item_id")
        item = entry.item
        if entry.was_truncated:
            item = {**item, "content": [{"type": "output_audio", "transcript": ""}]}
        self._wire.event("conversation.item.retrieved", item=item)

    def delete(self, event: Message) -> None:
        """conversation.item.delete."""
        self._find(event["item_id"], "item_delete_invalid_item_id")
        del self.entries[event["item_id"]]
        self.tail = next(reversed(self.entries), None)
        self._wire.event("conversation.item.deleted", item_id=event["item_id"])

    def _check_id(self, item_id: Any) -> None:
        if not isinstance(item_id, str) or item_id in self.entries:
            raise RefusedError("invalid_value", "An item id must be a new string.", "item.id")
        if len(item_id) > MOST_ID_LETTERS:
            text = (
                f"Invalid 'item.id': string too long. Expected a string with maximum length {MOST_ID_LETTERS}, "
                f"but got a string with length {len(item_id)} instead."
            )
            raise RefusedError("string_above_max_length", text, "item.id")

    def _find(self, item_id: Any, code: str) -> Entry:
        entry = self.entries.get(item_id) if isinstance(item_id, str) else None
        if entry is None:
            raise RefusedError(code, f"Item with item_id '{item_id}' does not exist.", "item_id")
        return entry

    def _take_output(self, item: Message) -> None:
        call_id = item["call_id"]
        calls = (entry.item for entry in self.entries.values() if entry.item["type"] == "function_call")
        if all(call["call_id"] != call_id for call in calls):
            # The code is one clients report from the older service; no capture of the current one shows it.
            raise RefusedError("invalid_tool_call_id", f"Tool call ID '{call_id}' not found in conversation.")
        self.tool_outputs[call_id] = item["output"]

    def _take_approval(self, item: Message) -> None:
        request = item["approval_request_id"]
        if request not in self.approvals:
            raise RefusedError(
                "invalid_value", f"Approval request '{request}' not found in conversation.", "item"
            )
        call = self.approvals.pop(request)
        if item["approve"]:
            self.to_call.append((call, request))

    def begin_remote(self, call: CallRemote, approved_in: str | None) -> Entry:
        """Tell of a tool of an MCP server that it is called."""
        item = {
            "id": self._wire.make_id("mcp"),
            "type": "mcp_call",
            "server_label": call.server,
            "name": call.name,
            "arguments": call.arguments,
            "output": None,
            "approval_request_id": approved_in,
        }
        entry = self.add(item)
        self._wire.event("response.mcp_call.in_progress", item_id=item["id"], output_index=0)
        return entry

    def finish_remote(self, call: CallRemote, entry: Entry) -> None:
        """Tell of what it gave."""
        if call.fails:
            entry.item["error"] = {"type": "http_error", "code": 500, "message": "out of order"}
        else:
            entry.item["output"] = call.output
        ended = "response.mcp_call.failed" if call.fails else "response.mcp_call.completed"
        self._wire.event(ended, item_id=entry.item["id"], output_index=0)
        self.close(str(entry.item["id"]))

    def list_tools(self, tools: list[Message]) -> None:
        """Tell of each MCP server of a session that it was asked for its tools."""
        for tool in tools:
            if tool["type"] == "mcp":
                item = {"id": self._wire.make_id("mcpl"), "type": "mcp_list_tools", "tools": []}
                self.add({**item, "server_label": tool["server_label"]})
                for kind in ("mcp_list_tools.in_progress", "mcp_list_tools.completed"):
                    self._wire.event(kind, item_id=item["id"])
                self.close(str(item["id"]))


def _checked_item(item: Any) -> Message:
    match item:
        case {"type": "function_call_output", "call_id": str(), "output": str()}:
            return dict(item)
        case {"type": "mcp_approval_response", "approval_request_id": str(), "approve": bool()}:
            return dict(item)
        case {"type": "function_call", "call_id": str(), "name": str(), "arguments": str()}:
            return dict(item)
        case {"type": "message", "role": str(role), "content": list(parts)} if role in _CONTENT:
            return {**item, "content": [_checked_part(part, _CONTENT[role]) for part in parts]}
    kind = item.get("type") if isinstance(item, dict) else item
    raise RefusedError("invalid_value", f"Invalid item of type {kind!r}.", "item")


def _checked_part(part: Any, kinds: tuple[str, ...]) -> Message:
    """Return a part as it is told of: sound is never sent back."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in kinds or not isinstance(part.get(_WORDS.get(kind, "text")), str):
        raise RefusedError(
            "invalid_value", f"Invalid content part; supported: {', '.join(kinds)}.", "item.content"
        )
    return {"type": kind, "transcript": part.get("transcript")} if kind == "input_audio" else dict(part)
