"""A peer: paho-mqtt, a queue and batches of up to 32 through Python's onnxruntime."""

import json
import queue
import socket
import sys
import threading

import numpy
import onnxruntime
import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

BATCH_MAX = 32

settings = json.loads(sys.argv[1])
protocol = mqtt.MQTTv5 if settings["protocol"] == 5 else mqtt.MQTTv311
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(
    settings["model"], options, providers=["CPUExecutionProvider"]
)
events = queue.Queue()
qos = settings["qos"]


def on_connect(client, userdata, flags, reason_code, properties):
    client.subscribe(settings["events"], qos=qos)


def on_subscribe(client, userdata, mid, reason_codes, properties):
    print('{"ready": true}', flush=True)


def on_message(client, userdata, message):
    events.put(message)


def on_socket_open(client, userdata, sock):
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def next_batch():
    batch = [events.get()]
    while len(batch) < BATCH_MAX:
        try:
            batch.append(events.get_nowait())
        except queue.Empty:
            break
    return batch


def serve(client):
    while True:
        batch = next_batch()
        stacked = numpy.stack([numpy.frombuffer(m.payload, numpy.float32) for m in batch])
        stacked = stacked.reshape([len(batch), *settings["shape"]])
        (logits,) = session.run([settings["output"]], {settings["input"]: stacked})
        powers = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        scores = powers.max(axis=1) / powers.sum(axis=1)
        labels = logits.argmax(axis=1)
        for message, label, score in zip(batch, labels, scores):
            device = message.topic.rsplit("/", 1)[1]
            result = json.dumps({"label": int(label), "score": float(score)})
            client.publish(settings["results"] + device, result, qos, properties=echo(message))


def echo(message):
    if protocol != mqtt.MQTTv5 or not hasattr(message.properties, "CorrelationData"):
        return None
    properties = Properties(PacketTypes.PUBLISH)
    properties.CorrelationData = message.properties.CorrelationData
    return properties


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=protocol)
client.on_connect = on_connect
client.on_subscribe = on_subscribe
client.on_message = on_message
client.on_socket_open = on_socket_open
client.max_inflight_messages_set(0)
client.max_queued_messages_set(0)
client.connect(settings["host"], settings["port"])
threading.Thread(target=serve, args=(client,), daemon=True).start()
client.loop_forever()
