// The class of `cloudflare:email`, as a value that can be passed to another Worker.
class EmailMessage {
  constructor(from, to, raw) {
    return { from, to, "EmailMessage::raw": raw };
  }
}

export default { EmailMessage };
