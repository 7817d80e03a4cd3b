//! Model packs and the engines that run them: detector, embedding, liveness, evaluation.
