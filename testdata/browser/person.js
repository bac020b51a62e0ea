// What a person does next on this page: says what the page is, and whether there is
// something to press, which is pressed unless it is too early for that.
(asked) => {
  const found = {
    url: location.href,
    failed: location.protocol === 'chrome-error:',
    result: false,
    device: !!document.querySelector('[name=user_code]'),
    form: false,
    typed: false,
    busy: document.readyState !== 'complete' || location.href === 'about:blank',
  };
  if (found.failed || found.busy) return found;
  found.result = ['127.0.0.1', 'localhost', '[::1]'].includes(location.hostname) && !!document.querySelector('[data-jeton]');
  if (found.result || window.pressed) return found;

  const shown = (element) => element.getClientRects().length > 0;
  const text = (element) => (element.innerText || element.value || '').toLowerCase().replace(/[^\p{L} ]/gu, '').trim();
  const buttons = [...document.querySelectorAll('button, input[type=submit], a[href]')].filter((b) => shown(b) && !b.disabled);
  const no = (button) => /^(cancel|deny|abort)\b/.test(text(button));
  const press = (button) => {
    found.busy = found.form = true;
    if (asked.press) {
      window.pressed = true;
      button.click();
    }
    return found;
  };
  const type = (input, value) => {
    input.focus();
    input.value = value;
    for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind, { bubbles: true }));
  };
  // A button may stand outside of its form, and then names it.
  const submits = (form) => buttons.find((b) => b.type === 'submit' && (!form || b.form === form) && !no(b));

  const refusal = buttons.find(no);
  if (asked.deny && refusal) return press(refusal);

  const password = [...document.querySelectorAll('input[type=password]')].find((i) => i.form && shown(i));
  if (password) {
    if (!asked.as) return found;
    const { form } = password;
    const name = [...form.elements].find((i) => ['login', 'username', 'user', 'email'].includes(i.name) && i.type !== 'hidden');
    if (name && !name.readOnly) type(name, asked.as);
    type(password, asked.password);
    return press(submits(form) ?? { click: () => form.requestSubmit() });
  }

  const code = [...document.querySelectorAll('input[name=user_code]')].find((i) => i.form && shown(i));
  if (code) {
    if (!code.value && asked.code) type(code, asked.code);
    if (!code.value || asked.typed) return found;
    found.typed = asked.press;
    return press(submits(code.form) ?? { click: () => code.form.requestSubmit() });
  }

  const yes = submits();
  if (yes && /^(yes|ok|confirm|continue|authori[sz]e|allow|accept|approve|grant)\b/.test(text(yes))) return press(yes);
  return found;
}
