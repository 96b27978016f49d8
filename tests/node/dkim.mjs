// Judges DKIM signatures with mailauth: one message a line on standard input (base64), one verdict
// a line on standard output. The first line is the TXT record every selector has.
import { createInterface } from 'node:readline';
import { dkimVerify } from 'mailauth/lib/dkim/verify.js';

let record;
for await (const line of createInterface({ input: process.stdin })) {
    if (record === undefined) {
        record = line;
        continue;
    }
    const { results } = await dkimVerify(Buffer.from(line, 'base64'), {
        resolver: async () => [[record]]
    });
    // "pass" for a signature that covers the whole body and more than From alone.
    const verdicts = results.map(found => found.status.result);
    process.stdout.write((verdicts.length === 1 ? verdicts[0] : `${verdicts.length} signatures`) + '\n');
}
