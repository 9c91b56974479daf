// Calls a gateway as a page in a browser would, by gRPC-Web and by JSON, with Connect's own library, unchanged, and prints
// what came back as JSON. The service is read from a FileDescriptorSet, so that no code has to be generated.
//   node web.mjs URL KEY DESCRIPTORS
import { readFileSync } from 'node:fs';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createClient, ConnectError, Code } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';

const [url, key, descriptors] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const service = registry.getService('inference.GRPCInferenceService');
const withKey = (next) => async (req) => {
  req.header.set('Authorization', 'Bearer ' + key);
  return next(req);
};

const out = {};
for (const [name, create] of [['grpcWeb', createGrpcWebTransport], ['json', createConnectTransport]]) {
  const client = createClient(service, create({ baseUrl: url, interceptors: [withKey] }));
  const strange = createClient(service, create({ baseUrl: url }));
  const said = {};
  said.live = (await strange.serverLive({})).live;
  said.server = (await client.serverMetadata({})).name;
  said.shape = (await client.modelMetadata({ name: 'dense' })).inputs[0].shape.map(Number);
  const values = new Float32Array(256).map((_, i) => i / 256);
  const answer = await client.modelInfer({
    modelName: 'dense', id: '7',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 256n] }],
    rawInputContents: [new Uint8Array(values.buffer)],
  });
  const raw = answer.rawOutputContents[0];
  said.id = answer.id;
  said.output = Array.from(new Float32Array(raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength)));
  const failure = async (call) => {
    try {
      await call();
      return null;
    } catch (e) {
      const err = ConnectError.from(e);
      return { code: Code[err.code], message: err.rawMessage, details: err.details.length };
    }
  };
  said.errors = {
    noKey: await failure(() => strange.serverMetadata({})),
    noModel: await failure(() => client.modelMetadata({ name: 'nothing' })),
    shape: await failure(() => client.modelInfer({ modelName: 'dense', inputs: [{ name: 'x', datatype: 'FP32', shape: [1n, 3n] }], rawInputContents: [new Uint8Array(12)] })),
  };
  out[name] = said;
}
console.log(JSON.stringify(out));
