"""The order of a listing: prefixes, delimiters and pages, without the disk."""

from __future__ import annotations

from xswarm_twin.objects.records import Listing, StoredObject


class Walk:
    """The state of one listing: where it is, what it has, whether it is full."""

    def __init__(self, prefix: str, delimiter: str, limit: int) -> None:
        self.prefix, self.delimiter, self.limit = prefix, delimiter, limit
        self.position = ""
        self.inclusive = False
        self.objects: list[StoredObject] = []
        self.prefixes: list[str] = []
        self._last = ""
        self._more = False

    def take(self, found: StoredObject) -> bool:
        """Take the next object in; False ends the walk."""
        if not found.key.startswith(self.prefix):
            return False
        common = self._common_prefix(found.key)
        if common is not None and self.position.startswith(common):
            self._skip(common)  # the page before ended with this prefix
            return True
        if len(self.objects) + len(self.prefixes) >= self.limit:
            self._more = True
            return False
        if common is None:
            self.objects.append(found)
            self.position, self.inclusive, self._last = found.key, False, found.key
        else:
            self.prefixes.append(common)
            self._skip(common)
            self._last = common
        return True

    def listing(self) -> Listing:
        """Return the page."""
        cursor = self._last if self._more else None
        return Listing(tuple(self.objects), tuple(self.prefixes), cursor)

    def _common_prefix(self, key: str) -> str | None:
        if not self.delimiter:
            return None
        end = key.find(self.delimiter, len(self.prefix))
        return None if end < 0 else key[: end + len(self.delimiter)]

    def _skip(self, common: str) -> None:
        """Go behind every key that begins with a common prefix."""
        self.position, self.inclusive = _behind(common), True


def _behind(prefix: str) -> str:
    """Return the least text that is greater than all that begin with a prefix."""
    last = ord(prefix[-1])
    if last == 0x10FFFF:
        return prefix + chr(0x10FFFF)
    after = 0xE000 if last == 0xD7FF else last + 1  # surrogates are no characters
    return prefix[:-1] + chr(after)
