// Foreign judges over HTML of mails: `node judge.mjs validate|support|mjml`, a JSON list of texts on
// standard input, a JSON list of the same length on standard output.
import { readFileSync } from "node:fs";

// What a mail has that a web page would not: Outlook's comments, styles and sizes in the tags,
// because webmail drops the head; a <div role="article">, because webmail drops <article>; the
// doctype in the case and the ends of void tags as XML and MJML write them. The rest is in force.
async function validate(pages) {
  const { HtmlValidate } = await import("html-validate");
  const preset = JSON.parse(readFileSync(new URL("mail.htmlvalidate.json", import.meta.url)));
  const validator = new HtmlValidate(preset);
  const reports = pages.map((page) => validator.validateString(page));
  return (await Promise.all(reports)).map((report) =>
    report.results.flatMap((result) =>
      result.messages.map((m) => `${m.line}:${m.column} ${m.ruleId}: ${m.message}`),
    ),
  );
}

// Features that no version of a mail program shows, by caniemail.com, outside of head styles.
const CLIENTS = ["gmail.*", "outlook.*", "apple-mail.*", "yahoo.*"];

async function support(pages) {
  const { caniemail } = await import("caniemail");
  return pages.map((page) => {
    const { issues } = caniemail({ clients: CLIENTS, html: asReadBy(page) });
    const found = [...issues.errors].flatMap(([client, list]) =>
      list.map((issue) => `${issue.title} | ${client}`),
    );
    return [...new Set(found)].sort();
  });
}

// The tool finds `height` in `line-height` and <body> in <tbody>: these are taken out before it
// looks. What mail programs make of <body> is a <div>, so that is what it gets. The head goes.
function asReadBy(page) {
  return page
    .replace(/<head>[\s\S]*?<\/head>/, "")
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/<(\/?)tbody>/g, "")
    .replace(/<(\/?)body/g, "<$1div")
    .replace(/line-height:[^;"]*;?/g, "");
}

async function mjml(sources) {
  const { default: mjml2html } = await import("mjml");
  const options = { fonts: {}, validationLevel: "skip", ignoreIncludes: true, minify: false };
  return Promise.all(sources.map(async (source) => (await mjml2html(source, options)).html));
}

const judges = { validate, support, mjml };
const texts = JSON.parse(readFileSync(0, "utf8"));
process.stdout.write(JSON.stringify(await judges[process.argv[2]](texts)));
