// nodemailer with its pool. As documented: text and html for each message; ready: the whole message
// as a joined string (`raw`). Called with one JSON object, answers with one line of JSON.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const task = JSON.parse(process.argv[2]);
const nodemailer = createRequire(`${task.folder}/package.json`)('nodemailer');
const letter = JSON.parse(readFileSync(task.letter, 'utf-8'));
const IN_FLIGHT = 4; // messages waiting for each connection, so that none runs dry

function valuesOf(number) {
    const token = String(number).padStart(40, '0');
    return {
        address: `reader.${number}@mail${number % 997}.example.com`,
        name: `Reader ${number}`,
        token,
        leave: token,
        preferences: token,
    };
}

const filled = (template, values) => template.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name]);

const ready = (values) =>
    letter.pieces.map((piece, place) => (place % 2 ? values[piece] : piece)).join('');

function message(number) {
    const values = valuesOf(number);
    const envelope = { from: `b-${values.token}@bounces.example.org`, to: values.address };
    if (task.ready) return { envelope, raw: ready(values) };
    return {
        envelope,
        from: { name: letter.from_name, address: letter.from_address },
        to: { name: values.name, address: values.address },
        subject: letter.subject,
        date: new Date('2026-11-26T08:00:00Z'),
        messageId: `<${values.token}@news.example.org>`,
        headers: {
            'List-Id': `${letter.from_name} <${letter.list_id}>`,
            'List-Unsubscribe': `<${letter.leave_url}${values.leave}>`,
            'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
        },
        text: filled(letter.plain, values),
        html: filled(letter.html, values),
    };
}

const transporter = nodemailer.createTransport({
    host: '127.0.0.1',
    port: task.port,
    secure: false,
    ignoreTLS: true,
    pool: true,
    maxConnections: task.connections,
    maxMessages: Infinity, // kinder than its default, which opens a new connection after 100
});

let next = 0;
async function feed() {
    while (next < task.messages) await transporter.sendMail(message(next++));
}

const began = process.hrtime.bigint();
const before = process.cpuUsage();
await Promise.all(Array.from({ length: task.connections * IN_FLIGHT }, feed));
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
const { user, system } = process.cpuUsage(before);
transporter.close();
console.log(JSON.stringify({ seconds, cpu: (user + system) / 1e6 }));
