/** Doors to the face: its document is unpacked when the first one opens, and lives in a frame that is shut off from this page. */
{
  const unpack = async () => {
    const text = document.getElementById('live-face').textContent;
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text();
  };
  let face = null;
  const quoted = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');

  const open = async (door) => {
    if (!door.open || door.querySelector('iframe')) return;
    face ??= unpack();
    const frame = document.createElement('iframe');
    frame.title = door.querySelector('summary').textContent;
    frame.setAttribute('sandbox', 'allow-scripts allow-downloads');
    door.append(frame);
    frame.srcdoc = (await face).replace('<html ', `<html data-open="${quoted(door.dataset.open)}" `);
  };
  for (const door of document.querySelectorAll('details.live')) door.addEventListener('toggle', () => open(door));
  addEventListener('message', ({ source, data }) => {
    if (data?.inklens !== 'height') return;
    const frame = [...document.querySelectorAll('details.live iframe')].find(({ contentWindow }) => contentWindow === source);
    if (frame) frame.style.height = `${Math.ceil(data.height)}px`;
  });
}
