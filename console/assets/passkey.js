// Passkeys: what only a script can ask the browser for. Without it people sign
// in with name and password.
(function () {
  "use strict";

  var form = document.getElementById("passkey");
  if (!form || !window.PublicKeyCredential || !navigator.credentials) return;
  form.hidden = false;
  var note = document.getElementById("passkey-script");
  if (note) note.hidden = true;

  function bytes(text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, function (c) { return c.charCodeAt(0); });
  }

  function text(buffer) {
    var raw = "";
    new Uint8Array(buffer).forEach(function (b) { raw += String.fromCharCode(b); });
    return btoa(raw).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  }

  function say(shown) {
    form.querySelector("[role=status]").textContent = shown ? form.dataset.failed : "";
  }

  async function ask() {
    var answer = await fetch(form.dataset.begin, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    if (!answer.ok || answer.redirected) throw new Error("refused");
    return answer.json();
  }

  async function add(asks) {
    var made = await navigator.credentials.create({ publicKey: {
      challenge: bytes(asks.challenge), rp: { id: asks.party, name: "Qorgan" },
      user: { id: bytes(asks.user), name: asks.name, displayName: asks.name },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }, { type: "public-key", alg: -8 }, { type: "public-key", alg: -257 }],
      authenticatorSelection: { residentKey: "required", userVerification: "required" }, attestation: "none",
      excludeCredentials: (asks.known || []).map(function (id) { return { type: "public-key", id: bytes(id) }; })
    } });
    return { client: made.response.clientDataJSON, data: made.response.getAuthenticatorData(), key: made.response.getPublicKey() };
  }

  async function use(asks) {
    var got = await navigator.credentials.get({ publicKey: {
      challenge: bytes(asks.challenge), rpId: asks.party, userVerification: "required"
    } });
    return { id: got.rawId, client: got.response.clientDataJSON, data: got.response.authenticatorData, signature: got.response.signature };
  }

  form.addEventListener("submit", function (event) {
    if (form.dataset.ready) return;
    event.preventDefault();
    say(false);
    ask().then(form.dataset.begin.indexOf("/account") === 0 ? add : use).then(function (proof) {
      Object.keys(proof).forEach(function (name) { form.elements[name].value = text(proof[name]); });
      form.dataset.ready = "yes";
      form.submit();
    }).catch(function () { say(true); });
  });
})();
