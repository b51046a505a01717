// What stays in a tab whose session ends: the form that is being filled.
"use strict";

const TOKEN = "taskyard-token";
const TOKEN_FIELDS = "input[name=csrfmiddlewaretoken]";
const FILLED = "main form[method=post] :is(input:not([type=hidden]), select, textarea)";
const signedOut = document.getElementById("signed-out");

function holdsForm() {
  return document.querySelector(FILLED) !== null;
}

// The window goes to the sign-in page, unless a form in it would be lost.
function leaveToSignIn(address) {
  if (holdsForm()) signedOut.hidden = false;
  else location.href = address;
}

document.addEventListener("htmx:after:request", (event) => {
  const address = event.detail.ctx.response.headers.get("HX-Redirect");
  if (!address) return;
  event.preventDefault();
  leaveToSignIn(address);
});

// Signing in makes the tokens of all earlier pages invalid, so each page leaves its own
// where the other tabs find it: their forms can be sent after somebody signed in again.
function takeNewestToken() {
  const token = localStorage.getItem(TOKEN);
  document.querySelectorAll(TOKEN_FIELDS).forEach((field) => { field.value = token; });
  signedOut.hidden = true;
}

if (signedOut) {
  localStorage.setItem(TOKEN, document.querySelector(TOKEN_FIELDS).value);
  addEventListener("storage", (event) => { if (event.key === TOKEN) takeNewestToken(); });
  addEventListener("pageshow", (event) => { if (event.persisted) takeNewestToken(); });
}
