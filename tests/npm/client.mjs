// The official npm client, unchanged: prints what it got as one line of JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE, apiKey: process.env.KEY, maxRetries: 0 });
const messages = [{ role: "user", content: "x" }];
const names = [];
for await (const model of client.models.list()) names.push(model.id);
const whole = await client.chat.completions.create({ model: "m", messages });
let streamed = "";
for await (const chunk of await client.chat.completions.create({ model: "m", messages, stream: true }))
  streamed += chunk.choices[0]?.delta?.content ?? "";
let code = null;
try {
  await client.chat.completions.create({ model: "nothing", messages });
} catch (error) {
  code = [error instanceof OpenAI.NotFoundError, error.code];
}
console.log(
  JSON.stringify({ names, whole: whole.choices[0].message.content, tokens: whole.usage.completion_tokens, streamed, code }),
);
