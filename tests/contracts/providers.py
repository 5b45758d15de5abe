"""The other providers' APIs, as far as they are called: facts of their documents."""

from __future__ import annotations

from typing import Final

from tests.contracts.call import Call

_STRIPE: Final = "https://docs.stripe.com/api/"
_HOOK: Final = _STRIPE + "webhook_endpoints/"
_ENDPOINT: Final = (
    "id",
    "url",
    "status",
    "enabled_events",
    "livemode",
    "description",
    "metadata",
    "api_version",
    "secret",
)
_TWILIO: Final = "https://www.twilio.com/docs/iam/api/account"
_NUMBERS: Final = "https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource"
_NUMBER: Final = (
    "sid",
    "phone_number",
    "sms_url",
    "sms_method",
    "voice_url",
    "voice_method",
    "status_callback",
    "status_callback_method",
    "sms_application_sid",
    "voice_application_sid",
    "trunk_sid",
    "capabilities",
)
_MESSAGING: Final = "https://www.twilio.com/docs/messaging/api/"
_SENDGRID: Final = "https://www.twilio.com/docs/sendgrid/api-reference/"
_EVENTS: Final = {
    "url": str,
    "enabled": bool,
    "friendly_name?": str,
    **dict.fromkeys(
        (
            "processed",
            "deferred",
            "delivered",
            "bounce",
            "dropped",
            "open",
            "click",
            "spam_report",
            "unsubscribe",
            "group_unsubscribe",
            "group_resubscribe",
        ),
        bool,
    ),
}
_PARSED: Final = {"url": str, "spam_check": bool, "send_raw": bool, "security_policy?": str}
_ACCOUNT: Final = "/2010-04-01/Accounts/{sid}"
_SETTINGS: Final = "/v3/user/webhooks/event/settings"
_PARSE: Final = "/v3/user/webhooks/parse/settings"
_POLICIES: Final = "/v3/user/webhooks/security/policies"

STRIPE: Final = (
    Call("GET", "/v1/balance", _STRIPE + "balance/balance_retrieve", reads=("livemode",)),
    Call(
        "GET",
        "/v1/account",
        _STRIPE + "accounts/retrieve",
        reads=("id", "charges_enabled", "payouts_enabled"),
    ),
    Call(
        "GET",
        "/v1/webhook_endpoints",
        _HOOK + "list",
        {"limit": int, "starting_after": str},
        reads=_ENDPOINT[:-1],
    ),
    Call(
        "POST",
        "/v1/webhook_endpoints",
        _HOOK + "create",
        kind="form",
        body=("url", "enabled_events[]", "description", "metadata[*]", "api_version"),
        reads=_ENDPOINT,
    ),
    Call(
        "POST",
        "/v1/webhook_endpoints/{id}",
        _HOOK + "update",
        kind="form",
        body=("url", "enabled_events[]", "disabled"),
        reads=_ENDPOINT[:-1],
    ),
    Call("DELETE", "/v1/webhook_endpoints/{id}", _HOOK + "delete"),
)
TWILIO: Final = (
    Call("GET", _ACCOUNT + ".json", _TWILIO, reads=("status",)),
    Call(
        "GET",
        _ACCOUNT + "/IncomingPhoneNumbers.json",
        _NUMBERS,
        {"PhoneNumber": str},
        reads=_NUMBER,
    ),
    Call(
        "POST",
        _ACCOUNT + "/IncomingPhoneNumbers/{number}.json",
        _NUMBERS,
        kind="form",
        body=(
            "SmsUrl",
            "SmsMethod",
            "VoiceUrl",
            "VoiceMethod",
            "StatusCallback",
            "StatusCallbackMethod",
        ),
        reads=_NUMBER,
    ),
    Call(
        "GET",
        "/v1/Services",
        _MESSAGING + "service-resource",
        {"PageSize": int, "Page": int, "PageToken": str},
        reads=("services", "sid", "use_inbound_webhook_on_number", "meta.next_page_url"),
    ),
    Call(
        "GET",
        "/v1/Services/{service}/PhoneNumbers/{number}",
        _MESSAGING + "phonenumber-resource",
    ),
)
SENDGRID: Final = (
    Call(
        "GET",
        "/v3/scopes",
        _SENDGRID + "api-key-permissions/retrieve-a-list-of-scopes-for-which-this-user-has-access",
        reads=("scopes",),
    ),
    Call(
        "GET",
        "/v3/verified_senders",
        _SENDGRID + "sender-verification/get-all-verified-senders",
        reads=("results",),
    ),
    Call(
        "GET",
        "/v3/whitelabel/domains",
        _SENDGRID + "domain-authentication/list-all-authenticated-domains",
        reads=("domain", "valid"),
    ),
    Call(
        "GET",
        _SETTINGS + "/all",
        _SENDGRID + "webhooks/get-all-event-webhook-settings",
        reads=("webhooks", "max_allowed"),
    ),
    Call(
        "POST",
        _SETTINGS,
        _SENDGRID + "webhooks/create-a-new-event-webhook",
        kind="json",
        body=_EVENTS,
        reads=("id",),
    ),
    Call(
        "PATCH",
        _SETTINGS + "/{id}",
        _SENDGRID + "webhooks/update-an-event-webhook",
        kind="json",
        body=_EVENTS,
        reads=("id",),
    ),
    Call("DELETE", _SETTINGS + "/{id}", _SENDGRID + "webhooks/delete-an-event-webhook"),
    Call(
        "GET",
        _SETTINGS + "/signed/{id}",
        _SENDGRID + "webhooks/get-signed-event-webhooks-public-key",
        reads=("public_key",),
    ),
    Call(
        "PATCH",
        _SETTINGS + "/signed/{id}",
        _SENDGRID + "webhooks/toggle-signature-verification-for-a-single-event-webhook",
        kind="json",
        body={"enabled": bool},
        reads=("public_key",),
    ),
    Call(
        "GET",
        _PARSE,
        _SENDGRID + "settings-inbound-parse/retrieve-all-parse-settings",
        reads=("result",),
    ),
    Call(
        "POST",
        _PARSE,
        _SENDGRID + "settings-inbound-parse/create-a-parse-setting",
        kind="json",
        body={"hostname": str, **_PARSED},
        reads=("hostname", "url"),
    ),
    Call(
        "PATCH",
        _PARSE + "/{hostname}",
        _SENDGRID + "settings-inbound-parse/update-a-parse-setting",
        kind="json",
        body=_PARSED,
    ),
    Call(
        "DELETE",
        _PARSE + "/{hostname}",
        _SENDGRID + "settings-inbound-parse/delete-a-parse-setting",
    ),
    Call("GET", _POLICIES, _SENDGRID + "webhooks/webhook-security-policies", reads=("policies",)),
    Call(
        "POST",
        _POLICIES,
        _SENDGRID + "webhooks/webhook-security-policies",
        kind="json",
        body={"name": str, "signature": {"enabled": bool}},
        reads=("policy",),
    ),
    Call("DELETE", _POLICIES + "/{id}", _SENDGRID + "webhooks/webhook-security-policies"),
)
OPENAI: Final = (
    Call(
        "GET",
        "/v1/models",
        "https://platform.openai.com/docs/api-reference/models/list",
        reads=("id",),
    ),
)
ANTHROPIC: Final = (
    Call(
        "GET",
        "/v1/models",
        "https://docs.anthropic.com/en/api/models-list",
        {"limit": int},
        reads=("id",),
        headers=("anthropic-version", "x-api-key"),
    ),
)
SLACK: Final = (
    Call(
        "POST",
        "{url+}",
        "https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/",
        kind="json",
        body={"text?": str, "blocks?": [object], "attachments?": [object]},
    ),
)
R2: Final = (
    Call(
        "GET",
        "/{bucket}",
        "https://developers.cloudflare.com/r2/api/s3/api/",
        {"list-type": {"2"}, "prefix": str, "continuation-token": str, "max-keys": int},
        headers=("Authorization",),
    ),
    Call(
        "PUT",
        "/{bucket}/{key+}",
        "https://developers.cloudflare.com/r2/api/s3/api/",
        kind="bytes",
        headers=("Authorization",),
    ),
    Call(
        "GET",
        "/{bucket}/{key+}",
        "https://developers.cloudflare.com/r2/api/s3/api/",
        headers=("Authorization",),
    ),
    Call(
        "HEAD",
        "/{bucket}/{key+}",
        "https://developers.cloudflare.com/r2/api/s3/api/",
        headers=("Authorization",),
    ),
    Call(
        "DELETE",
        "/{bucket}/{key+}",
        "https://developers.cloudflare.com/r2/api/s3/api/",
        headers=("Authorization",),
    ),
)
