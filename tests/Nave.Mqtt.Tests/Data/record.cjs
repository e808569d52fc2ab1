// Records packets of other MQTT implementations for OtherImplementationsTests. Needs npm packages mqtt and mqtt-packet
// and the mosquitto clients; the tests need none of them, they read what was recorded.
//   node record.cjs generate            packets written by mqtt-packet              -> mqtt-packet.tsv
//   node record.cjs capture             what the clients put on the wire            -> clients.tsv
//   node record.cjs read < golden.tsv   our golden packets as mqtt-packet reads and rewrites them -> golden-read.tsv
// Lines are: version, hex, what mqtt-packet reads in it (see describe), and for golden-read its own bytes for the same.
'use strict'
const mqttPacket = require('mqtt-packet')
const { properties: ids } = require('mqtt-packet/constants')
const net = require('node:net')
const { spawn } = require('node:child_process')

const text = s => `<${s}>`
const bit = b => (b ? 1 : 0)
const hex = b => Buffer.from(b ?? '').toString('hex')

function describeProperty (id, value) {
  if (Array.isArray(value)) return value.map(v => describeProperty(id, v)).join(' ')
  const name = id.toString(16).padStart(2, '0')
  if (Buffer.isBuffer(value)) return `${name}=${hex(value)}`
  if (typeof value === 'boolean') return `${name}=${bit(value)}`
  if (typeof value === 'string') return `${name}=${text(value)}`
  if (typeof value === 'object') {
    return Object.keys(value).flatMap(k => [value[k]].flat().map(v => `${name}=${text(k)}:${text(v)}`)).join(' ')
  }
  return `${name}=${value}`
}

function describeProperties (properties) {
  const list = Object.keys(properties ?? {}).map(name => [ids[name], properties[name]]).sort((a, b) => a[0] - b[0])
  return list.length ? ` [${list.map(([id, value]) => describeProperty(id, value)).join(' ')}]` : ''
}

function describe (p, version) {
  const properties = describeProperties(p.properties)
  switch (p.cmd) {
    case 'connect': {
      const w = p.will
      return `CONNECT id=${text(p.clientId)} clean=${bit(p.clean)} keepalive=${p.keepalive}` +
        (w ? ` will=(topic=${text(w.topic)} qos=${w.qos} retain=${bit(w.retain)} payload=${hex(w.payload)}${describeProperties(w.properties)})` : '') +
        (p.username != null ? ` user=${text(p.username)}` : '') +
        (p.password != null ? ` password=${hex(p.password)}` : '') + properties
    }
    case 'connack':
      return `CONNACK session=${bit(p.sessionPresent)} code=${version === 5 ? p.reasonCode : p.returnCode}${properties}`
    case 'publish':
      return `PUBLISH qos=${p.qos} dup=${bit(p.dup)} retain=${bit(p.retain)} id=${p.messageId ?? 0} topic=${text(p.topic)} payload=${hex(p.payload)}${properties}`
    case 'puback': case 'pubrec': case 'pubrel': case 'pubcomp':
      return `${p.cmd.toUpperCase()} id=${p.messageId} reason=${p.reasonCode ?? 0}${properties}`
    case 'subscribe':
      return `SUBSCRIBE id=${p.messageId} ${p.subscriptions.map(s => `${text(s.topic)}:${s.qos},${bit(s.nl)},${bit(s.rap)},${s.rh ?? 0}`).join(' ')}${properties}`
    case 'suback':
      return `SUBACK id=${p.messageId} ${p.granted.join(',')}${properties}`
    case 'unsubscribe':
      return `UNSUBSCRIBE id=${p.messageId} ${p.unsubscriptions.map(text).join(' ')}${properties}`
    case 'unsuback':
      return `UNSUBACK id=${p.messageId}${p.granted?.length ? ' ' + p.granted.join(',') : ''}${properties}`
    case 'disconnect': case 'auth':
      return `${p.cmd.toUpperCase()} reason=${p.reasonCode ?? 0}${properties}`
    default:
      return p.cmd.toUpperCase()
  }
}

// Splits a stream into packets: [bytes, packet] each.
function parseAll (bytes, version) {
  const found = []
  let rest = bytes
  while (rest.length > 1) {
    let length = 0
    let at = 1
    let shift = 0
    for (;;) { const b = rest[at++]; length |= (b & 127) << shift; shift += 7; if (b < 128) break }
    const one = rest.subarray(0, at + length)
    const parser = mqttPacket.parser({ protocolVersion: version })
    parser.on('packet', p => found.push([one, p]))
    parser.on('error', e => { throw e })
    parser.parse(one)
    rest = rest.subarray(at + length)
  }
  return found
}

const line = (version, bytes, ...rest) => console.log([version, hex(bytes), ...rest].join('\t'))

function generate () {
  const user = { a: '1', 'ä': 'ö€', many: ['x', 'y'] }
  const message = { payloadFormatIndicator: true, messageExpiryInterval: 60, contentType: 'text/plain', responseTopic: 'answer/here', correlationData: Buffer.from([1, 2, 3]), userProperties: user }
  const reason = { reasonString: 'because', userProperties: user }
  const ack = c => [
    [4, { cmd: c, messageId: 1 }], [4, { cmd: c, messageId: 65535 }],
    [5, { cmd: c, messageId: 258, reasonCode: 0 }],
    [5, { cmd: c, messageId: 2, reasonCode: /rel|comp/.test(c) ? 0x92 : 0x97 }],
    [5, { cmd: c, messageId: 3, reasonCode: 0, properties: reason }]]
  const packets = [
    [4, { cmd: 'connect', clientId: 'a', clean: true, keepalive: 30 }],
    [4, { cmd: 'connect', clientId: '', clean: true, keepalive: 0 }],
    [4, { cmd: 'connect', clientId: 'dev/mod', clean: false, keepalive: 180, username: 'hub.example/dev/mod/?api-version=2021-04-12', password: Buffer.from('SharedAccessSignature sr=x&sig=y&se=1') }],
    [4, { cmd: 'connect', clientId: 'dev', clean: false, keepalive: 65535, username: 'u', will: { topic: 'devices/dev/messages/events/', payload: Buffer.from('bye'), qos: 1, retain: true } }],
    [4, { cmd: 'connect', clientId: 'ä€😀', clean: true, keepalive: 1, will: { topic: 'ü', payload: Buffer.alloc(0), qos: 2, retain: false } }],
    [5, { cmd: 'connect', clientId: 'a', clean: true, keepalive: 30 }],
    [5, { cmd: 'connect', clientId: 'b', clean: false, keepalive: 30, username: 'u', password: Buffer.from([0, 255]), properties: { sessionExpiryInterval: 4294967295, authenticationMethod: 'SAS', authenticationData: Buffer.from([9, 8]), requestProblemInformation: false, requestResponseInformation: true, receiveMaximum: 432, topicAliasMaximum: 456, userProperties: user, maximumPacketSize: 100 } }],
    [5, { cmd: 'connect', clientId: 'c', clean: true, keepalive: 30, username: 'u', password: Buffer.from('p'), will: { topic: 'w', payload: Buffer.from([4, 3, 2]), qos: 2, retain: true, properties: { ...message, willDelayInterval: 1234 } } }],
    ...[0, 1, 2, 3, 4, 5].map(returnCode => [4, { cmd: 'connack', returnCode, sessionPresent: false }]),
    [4, { cmd: 'connack', returnCode: 0, sessionPresent: true }],
    [5, { cmd: 'connack', reasonCode: 0, sessionPresent: true }],
    [5, { cmd: 'connack', reasonCode: 0x97, sessionPresent: false, properties: reason }],
    [5, { cmd: 'connack', reasonCode: 0, sessionPresent: false, properties: { sessionExpiryInterval: 1234, assignedClientIdentifier: 'given', serverKeepAlive: 1140, authenticationMethod: 'SAS', authenticationData: Buffer.from([1]), responseInformation: 'info', serverReference: 'other', reasonString: 'ok', receiveMaximum: 16, topicAliasMaximum: 10, maximumQoS: 1, retainAvailable: false, userProperties: user, maximumPacketSize: 262144, wildcardSubscriptionAvailable: true, subscriptionIdentifiersAvailable: false, sharedSubscriptionAvailable: false } }],
    ...[4, 5].flatMap(v => [
      [v, { cmd: 'publish', topic: 'a/b', payload: Buffer.from('hi'), qos: 0, dup: false, retain: false }],
      [v, { cmd: 'publish', topic: 'devices/ä/messages/events/%24.ct=x', payload: Buffer.alloc(0), qos: 1, dup: false, retain: true, messageId: 1 }],
      [v, { cmd: 'publish', topic: '/', payload: Buffer.from([0, 1, 2]), qos: 1, dup: true, retain: false, messageId: 65535 }],
      [v, { cmd: 'publish', topic: 't', payload: Buffer.alloc(130, 7), qos: 2, dup: true, retain: true, messageId: 300 }],
      [v, { cmd: 'publish', topic: 'long/' + 'x'.repeat(300), payload: Buffer.alloc(600, 1), qos: 0, dup: false, retain: false }]]),
    [5, { cmd: 'publish', topic: 't', payload: Buffer.from('text'), qos: 1, dup: false, retain: false, messageId: 7, properties: message }],
    [5, { cmd: 'publish', topic: '', payload: Buffer.from('x'), qos: 0, dup: false, retain: false, properties: { topicAlias: 3 } }],
    [5, { cmd: 'publish', topic: 't', payload: Buffer.from('x'), qos: 0, dup: false, retain: false, properties: { subscriptionIdentifier: [1, 128, 268435455], topicAlias: 65535 } }],
    ...['puback', 'pubrec', 'pubrel', 'pubcomp'].flatMap(ack),
    [4, { cmd: 'subscribe', messageId: 7, subscriptions: [{ topic: '$iothub/methods/POST/#', qos: 0 }] }],
    [4, { cmd: 'subscribe', messageId: 65535, subscriptions: [{ topic: 'a/+/b', qos: 0 }, { topic: '#', qos: 1 }, { topic: '/', qos: 2 }, { topic: '+/+', qos: 2 }] }],
    [5, { cmd: 'subscribe', messageId: 8, subscriptions: [{ topic: 'a', qos: 0, nl: false, rap: false, rh: 0 }, { topic: 'b/#', qos: 1, nl: true, rap: true, rh: 2 }, { topic: '$share/g/c/+', qos: 2, nl: false, rap: true, rh: 1 }], properties: { subscriptionIdentifier: 145, userProperties: user } }],
    [4, { cmd: 'suback', messageId: 7, granted: [0, 1, 2, 128] }],
    [5, { cmd: 'suback', messageId: 7, granted: [0, 1, 2, 128, 0x8f, 0x97, 0xa2], properties: reason }],
    [4, { cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a/#', '+'] }],
    [5, { cmd: 'unsubscribe', messageId: 9, unsubscriptions: ['a/#', '$share/g/+'], properties: { userProperties: user } }],
    [4, { cmd: 'unsuback', messageId: 9 }],
    [5, { cmd: 'unsuback', messageId: 9, granted: [0, 0x11, 0x87], properties: reason }],
    ...[4, 5].flatMap(v => [[v, { cmd: 'pingreq' }], [v, { cmd: 'pingresp' }]]),
    [4, { cmd: 'disconnect' }],
    ...[0, 4, 0x81, 0x82, 0x87, 0x8e, 0x95, 0x9f, 0xa2].map(reasonCode => [5, { cmd: 'disconnect', reasonCode }]),
    [5, { cmd: 'disconnect', reasonCode: 0x9c, properties: { sessionExpiryInterval: 145, serverReference: 'there', reasonString: 'moved', userProperties: user } }],
    ...[0, 0x18, 0x19].map(reasonCode => [5, { cmd: 'auth', reasonCode, properties: { authenticationMethod: 'SAS', authenticationData: Buffer.from([0, 1, 2, 3]), reasonString: 'go on', userProperties: user } }])
  ]
  for (const [version, packet] of packets) {
    if (packet.cmd === 'connect') Object.assign(packet, { protocolId: 'MQTT', protocolVersion: version })
    const bytes = mqttPacket.generate(packet, { protocolVersion: version })
    const [[, read]] = parseAll(bytes, version)
    line(version, bytes, describe(read, version))
  }
}

// A server that answers so far that a client goes on, and keeps what it was sent.
function captureServer (version) {
  const received = []
  const server = net.createServer(socket => {
    const parser = mqttPacket.parser({ protocolVersion: version })
    const answer = p => socket.write(mqttPacket.generate(p, { protocolVersion: version }))
    socket.on('data', d => { received.push(d); parser.parse(d) })
    socket.on('error', () => {})
    parser.on('packet', p => {
      const messageId = p.messageId
      if (p.cmd === 'connect') answer({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false })
      if (p.cmd === 'publish' && p.qos === 1) answer({ cmd: 'puback', messageId, reasonCode: 0 })
      if (p.cmd === 'publish' && p.qos === 2) answer({ cmd: 'pubrec', messageId, reasonCode: 0 })
      if (p.cmd === 'pubrel') answer({ cmd: 'pubcomp', messageId, reasonCode: 0 })
      if (p.cmd === 'unsubscribe') answer({ cmd: 'unsuback', messageId, granted: p.unsubscriptions.map(() => 0) })
      if (p.cmd === 'pingreq') answer({ cmd: 'pingresp' })
      if (p.cmd === 'subscribe') {
        answer({ cmd: 'suback', messageId, granted: p.subscriptions.map(s => s.qos) })
        answer({ cmd: 'publish', topic: 'to/you', qos: 1, messageId: 77, payload: 'x', dup: false, retain: false })
        answer({ cmd: 'publish', topic: 'to/you', qos: 2, messageId: 78, payload: 'x', dup: false, retain: false })
      }
    })
  })
  return { received, server }
}

async function withServer (version, client) {
  const { received, server } = captureServer(version)
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))
  await client(server.address().port)
  server.close()
  for (const [bytes, packet] of parseAll(Buffer.concat(received), version)) line(version, bytes, describe(packet, version))
}

const run = (program, args) => new Promise(resolve => spawn(program, args, { stdio: 'ignore' }).on('exit', resolve))

async function capture () {
  const mqtt = require('mqtt')
  for (const version of [4, 5]) {
    const v = version === 5 ? 'mqttv5' : 'mqttv311'
    for (const qos of ['0', '1', '2']) {
      await withServer(version, port => run('mosquitto_pub', ['-h', '127.0.0.1', '-p', port, '-V', v, '-i', `m${qos}`, '-u', 'hub/dev/?api-version=2021-04-12', '-P', 'secret', '-q', qos, '-t', 'devices/m/messages/events/a=b', '-m', 'hello', '--will-topic', 'w/t', '--will-payload', 'gone', '--will-qos', '1', '--will-retain', ...(version === 5 && qos === '1' ? ['-D', 'publish', 'content-type', 'text/plain', '-D', 'publish', 'user-property', 'k', 'v', '-D', 'connect', 'session-expiry-interval', '100'] : [])]))
    }
    await withServer(version, port => run('mosquitto_sub', ['-h', '127.0.0.1', '-p', port, '-V', v, '-i', 's', '-c', '-q', '1', '-t', 'a/#', '-t', '+/b', '-U', 'c', '-C', '2', '-W', '3']))
    await withServer(version, async port => {
      const client = await mqtt.connectAsync({ host: '127.0.0.1', port, protocolVersion: version, clientId: 'n', clean: false, username: 'u', password: 'p', ...(version === 5 ? { properties: { sessionExpiryInterval: 60, receiveMaximum: 20 } } : {}) })
      await client.subscribeAsync({ 'x/#': { qos: 1 }, 'y/+': { qos: 2, ...(version === 5 ? { nl: true, rap: true, rh: 1 } : {}) } })
      for (const qos of [0, 1, 2]) await client.publishAsync('p/€', `payload ${qos}`, { qos, retain: qos === 1, ...(version === 5 ? { properties: { userProperties: { q: String(qos) }, messageExpiryInterval: 5 } } : {}) })
      await client.unsubscribeAsync(['x/#', 'y/+'])
      await client.endAsync()
    })
  }
}

function read () {
  const rows = require('node:fs').readFileSync(0, 'utf8').trim().split('\n').map(l => l.split('\t'))
  for (const [v, bytes] of rows) {
    const version = Number(v)
    // mqtt-packet does not know an empty AUTH, and never writes a password without a user name.
    let meaning = 'refused'
    let again = 'refused'
    try {
      const [[, packet]] = parseAll(Buffer.from(bytes, 'hex'), version)
      meaning = describe(packet, version)
      again = hex(mqttPacket.generate(packet, { protocolVersion: version }))
    } catch (e) {
      console.error(`${bytes}: ${e.message}`)
    }
    line(version, Buffer.from(bytes, 'hex'), meaning, again)
  }
}

({ generate, capture, read })[process.argv[2]]()
