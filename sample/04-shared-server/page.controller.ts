import { Controller, Get, Header } from '@nestjs/common';

const PAGE = `<!doctype html><title>Chat</title>
<h1>Chat</h1>
<form><label>Say <input id="text" autofocus /></label> <button>send</button></form>
<p>What begins with ! goes to the bot: !time, !host</p>
<ol id="said"></ol>
<script>
  const chat = new WebSocket(location.origin.replace('http', 'ws') + '/chat');
  chat.onmessage = ({ data }) => {
    const { by, text } = JSON.parse(data).data;
    const line = document.createElement('li');
    line.textContent = by + ': ' + text;
    document.getElementById('said').append(line);
  };
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault();
    const input = document.getElementById('text');
    chat.send(JSON.stringify({ event: 'say', data: input.value }));
    input.value = '';
  };
</script>`;

/** The chat's page, from the same port. */
@Controller()
export class PageController {
  @Get()
  @Header('Content-Type', 'text/html; charset=utf-8')
  page(): string {
    return PAGE;
  }
}
