// Calls a gateway with OpenAI's own library, unchanged, and prints what came back as JSON.
//   node openai.mjs URL KEY
import OpenAI from 'openai';

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: url + '/v1', apiKey: key, maxRetries: 0 });
const out = {};

// failure is what the library makes of an error.
const failure = async (call) => {
  try {
    await call();
    return null;
  } catch (e) {
    return { kind: e.constructor.name, status: e.status, code: e.code, type: e.type, param: e.param, message: e.message };
  }
};

out.models = (await client.models.list()).data.map((m) => m.id);
out.model = (await client.models.retrieve('texts')).id;

const texts = ['wake me at 7:30 please', 'play some jazz', 'transfer 20 euros to anna'];
out.base64 = await client.embeddings.create({ model: 'texts', input: texts }); // the library asks for base64 by itself
out.float = await client.embeddings.create({ model: 'texts', input: texts, encoding_format: 'float' });
out.one = await client.embeddings.create({ model: 'texts', input: texts[1], encoding_format: 'float' });
out.classified = await client.post('/classifications', { body: { model: 'texts', input: texts } });
out.moderated = await client.moderations.create({ model: 'texts', input: texts[2] });

const prompt = 'once upon';
out.completion = await client.completions.create({ model: 'writer', prompt });
out.cut = await client.completions.create({ model: 'writer', prompt, max_tokens: 3 });
out.chat = await client.chat.completions.create({ model: 'writer', messages: [{ role: 'user', content: 'hello' }] });
const stream = await client.chat.completions.create({
  model: 'writer', messages: [{ role: 'user', content: 'hello' }], stream: true, stream_options: { include_usage: true },
});
out.streamed = '';
for await (const chunk of stream) {
  out.streamed += chunk.choices[0]?.delta?.content ?? '';
  out.finish = chunk.choices[0]?.finish_reason ?? out.finish;
  out.streamUsage = chunk.usage ?? out.streamUsage;
}

out.errors = {
  noGeneration: await failure(() => client.chat.completions.create({ model: 'texts', messages: [{ role: 'user', content: 'hi' }] })),
  noModel: await failure(() => client.embeddings.create({ model: 'gpt-4', input: 'hi' })),
  noEmbedding: await failure(() => client.embeddings.create({ model: 'writer', input: 'hi' })),
  dimensions: await failure(() => client.embeddings.create({ model: 'texts', input: 'hi', dimensions: 7 })),
  long: await failure(() => client.embeddings.create({ model: 'texts', input: 'x'.repeat(129) })),
  tokens: await failure(() => client.embeddings.create({ model: 'texts', input: [1, 2, 3] })),
  temperature: await failure(() => client.completions.create({ model: 'writer', prompt, temperature: 0.7 })),
  noText: await failure(() => client.embeddings.create({ model: 'dense', input: 'hi' })),
  key: await failure(() => new OpenAI({ baseURL: url + '/v1', apiKey: 'plx_000000000000_' + '0'.repeat(64), maxRetries: 0 }).models.list()),
};
console.log(JSON.stringify(out));
