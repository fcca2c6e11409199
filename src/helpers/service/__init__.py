"""The face search that answers as Amazon Rekognition does, and the engine that calls Amazon."""
