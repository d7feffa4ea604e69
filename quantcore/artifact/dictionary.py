"""The preset deflate dictionary of the metadata, normative for format version 1 (SPEC.md repeats it)."""

from __future__ import annotations

__all__ = ["DICTIONARY"]

DICTIONARY = (
    b'"feature_names_in":"n_features_in":"input":"matrix","linear","LinearSVC","SGDClassifier","MultinomialNB","RidgeClassifier",'
    b'"HashingVectorizer","CountVectorizer","FeatureUnion","CalibratedClassifierCV","OneVsRestClassifier",'
    b'"versions":{"numpy":"2.4.0","python":"3.14.0","quantcore":"0.1.0","scikit-learn":"1.9.1","unicode":"16.0.0"},'
    b'"certified","exact","measured","guarantee":"precision":"prune":"seed":0,"options":"figures":"created":"metadata":'
    b'"documents":"labels":"scores":"rows":"agreement":"max_error":"calibration":"warnings":[],"true,"false,"null,'
    b'"op":"Linear","weight":{"op":"TfIdf","op":"Concat","weights":[1.0,1.0]"op":"Binarize","threshold":0.0'
    b'"op":"LogSoftmax","op":"NormalizeRows","empty":"uniform","op":"Average","op":"Isotonic","ends":"knots":"values":'
    b'"op":"Ramp","op":"Take","columns":"amplitude":"floor":1e-"scale":"op":"MultiLabel","alternate_sign":true,"binary":true,"lowercase":false,"sublinear":true,"norm":"l1","dtype":"float32",'
    b'"char_wb","char","strip_accents":"unicode","ascii","filename","file","decode_error":"ignore","replace","latin-1",'
    b'{"$":["text",{"$":["ucs4",{"$":["again","u4",{"$":["bool",{"$":["rows","i2",12,[3,4,4,5,5,6,6,7,7,8,8,9,9],["pool","u1",600],["own"],["pool","u2",60],["own"]]}'
    b'{"$":["byidf","i2",["int","u4",{"$":["int","i4",{"$":["pool","f8","f4","i8","u2","i1",{"$":["same",0]},{"$":["own"]},'
    b'{"extra":{"provenance":{},"report":{},"selftest":{}},"plan":{"classes":{"$":["text",2,8,["pool","u1",2],["pool","u1",'
    b'"input":"text","ops":[{"analyzer":"word","binary":false,"decode_error":"strict","encoding":"utf-8","inputs":[-1],'
    b'"lowercase":true,"n_features":100,"ngram_range":[1,2],"op":"Text","source":"content","stop_words":[],"strip_accents":null,'
    b'"token_pattern":"(?u)\\\\b\\\\w\\\\w+\\\\b","vocabulary":{"$":["trie"," ",[["pool","u1",],["pool","u1",]]}},'
    b'{"bias":{"$":["pool","f8",1]},"centred":false,"error":0.5,"exponent":{"$":["byidf","i2",["pool","u1",]]},'
    b'"idf":{"$":["idf","f8",["int","u4",0,["pool","u1"],["pool","u1"]],null]},"index":null,"inputs":[0],"norm":"l2",'
    b'"op":"PlanarLinear","rows":{"$":["int","i2",1,[150,1],["pool","u1",150],["pool","u1",200]]},"sublinear":false},'
    b'{"inputs":[1],"op":"Softmax"},{"classes":{"$":["same",0]},"inputs":[1],"op":"ArgMax"},'
    b'{"inputs":[1],"offset":{"$":["pool","f8",1]},"op":"Sigmoid","paired":true,"slope":{"$":["pool","f8",1]}},'
    b'{"inputs":[3],"op":"Log"},{"classes":{"$":["same",0]},"inputs":[1],"op":"Threshold"}],'
    b'"outputs":{"decision_function":1,"predict":3,"predict_log_proba":4,"predict_proba":2,"transform":0},"source":"Pipeline"}}'
)
