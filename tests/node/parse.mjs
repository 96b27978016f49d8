// Reads messages with postal-mime: one a line on standard input (base64), what it understood as one
// line of JSON on standard output.
import { createInterface } from 'node:readline';
import PostalMime from 'postal-mime';

for await (const line of createInterface({ input: process.stdin })) {
    const mail = await PostalMime.parse(Buffer.from(line, 'base64'));
    const { from, to, replyTo, subject, messageId, date, text, html, headers, attachments } = mail;
    const fields = headers.map(field => [field.key, field.value]);
    const shown = { from, to, replyTo, subject, messageId, date, text, html, fields };
    process.stdout.write(JSON.stringify({ ...shown, attachments: attachments.length }) + '\n');
}
