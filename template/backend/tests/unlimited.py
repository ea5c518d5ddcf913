"""The settings of a server that has no limits: a test may do more than a person may."""

UNLIMITED = dict.fromkeys(
    (
        "TURNS_PER_MINUTE",
        "TURNS_PER_MINUTE_ADDRESS",
        "TURNS_PER_MINUTE_GUESTS",
        "TURNS_AT_ONCE",
        "TURNS_AT_ONCE_ALL",
        "REQUESTS_AT_ONCE",
        "MESSAGE_MAX_CHARACTERS",
        "UPLOADS_PER_MINUTE",
        "ATTACHMENTS_MAX_MB_PERSON",
        "ATTACHMENTS_MAX_MB_ADDRESS",
        "ATTACHMENTS_MAX_MB_ALL",
    ),
    "0",
)
